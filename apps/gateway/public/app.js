/**
 * A page to try a gateway with: it speaks the client protocol (docs/protocol.md), and
 * nothing but it. What others sent is only ever shown through `textContent`.
 */

const NAME_MAX_BYTES = 255;
const REFRESH_MS = 2_000;
const ANSWER_TIMEOUT_MS = 10_000;
const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 30_000;
/** A connection that lived so long counts as a success. */
const STABLE_MS = 10_000;
const LOG_MAX = 200;
const MEMBERS_SHOWN = 200;

/** The wait before the n-th try: half of it fixed, half random, so that clients do not return together. */
function retryDelay(n) {
  const base = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** n);
  return base / 2 + (Math.random() * base) / 2;
}

function mayReconnect(code) {
  return (code >= 4200 && code <= 4399) || [1001, 1006, 1011, 1012, 1013].includes(code);
}

function nameFault(name) {
  if (name === "") return "is empty";
  if (!name.isWellFormed()) return "is not well-formed text";
  if (new TextEncoder().encode(name).length > NAME_MAX_BYTES) return `is longer than ${NAME_MAX_BYTES} bytes`;
  return undefined;
}

/** A coded answer of the server, or a code of our own where none came. */
class RequestError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** A connection that comes back by itself until it is closed or refused for good. */
class Link {
  #user = "";
  #socket;
  #failures = 0;
  #timers = new Set();
  #pending = new Map();
  #nextRef = 0;
  #onState;
  #onFrame;

  /**
   * `onState(state, detail)` hears `connecting`, `online` (with the welcome), `waiting`
   * (with code and delay), `refused` (with the close code) and `offline`.
   * `onFrame` gets every frame that answers no request.
   */
  constructor({ onState, onFrame }) {
    this.#onState = onState;
    this.#onFrame = onFrame;
  }

  open(user) {
    this.close();
    this.#user = user;
    this.#failures = 0;
    this.#connect();
  }

  close() {
    this.#drop();
    this.#onState("offline");
  }

  /** Resolves with the answer; rejects with a RequestError. */
  request(frame) {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new RequestError("not-connected", "There is no connection just now."));
    }
    return new Promise((resolve, reject) => {
      const ref = this.#nextRef++;
      this.#pending.set(ref, { resolve, reject });
      this.#after(ANSWER_TIMEOUT_MS, () => {
        if (this.#pending.has(ref)) this.#lost(1006, "no answer");
      });
      socket.send(JSON.stringify({ ...frame, ref }));
    });
  }

  #connect() {
    this.#onState("connecting");
    const url = new URL(`/ws?user=${encodeURIComponent(this.#user)}`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, "cm.v1");
    this.#socket = socket;
    // Events of a socket that was given up are nobody's business any more.
    const own = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onopen = own(() => this.#greet());
    socket.onmessage = own(({ data }) => this.#take(JSON.parse(data)));
    socket.onclose = own(({ code, reason }) => this.#lost(code, reason));
  }

  #greet() {
    this.request({ type: "hello", version: 1 }).then(
      (welcome) => {
        this.#after(STABLE_MS, () => {
          this.#failures = 0;
        });
        this.#onState("online", welcome);
      },
      // What becomes of the connection, its close tells.
      (error) => this.#onFrame({ type: "error", code: error.code, message: error.message }),
    );
  }

  #take(frame) {
    const waiting = this.#pending.get(frame.ref);
    if (waiting === undefined) {
      this.#onFrame(frame);
      return;
    }
    this.#pending.delete(frame.ref);
    if (frame.type === "error") waiting.reject(new RequestError(frame.code, frame.message));
    else waiting.resolve(frame);
  }

  #lost(code, reason) {
    this.#drop();
    if (!mayReconnect(code)) {
      this.#onState("refused", { code, reason });
      return;
    }
    const delayMs = retryDelay(this.#failures++);
    this.#onState("waiting", { code, reason, delayMs });
    this.#after(delayMs, () => this.#connect());
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(new RequestError("connection-lost", "The connection ended first."));
  }

  #after(delayMs, run) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }
}

const $ = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** The room that this connection is in, as last told by the server. */
let room = "";
/** This connection's id, while there is one. */
let self;
/** The connection that messages go to, or undefined for the room. */
let target;
/** Rows of the member list, by connection id. */
const rows = new Map();
let refreshTimer;
/** The last fault of a refresh, told once and not every two seconds. */
let refreshFault;

const link = new Link({ onState: showState, onFrame: takeFrame });

function showState(state, detail) {
  $("state").dataset.state = state;
  $("state").textContent = stateText(state, detail);
  $("connect-button").textContent = state === "offline" || state === "refused" ? "Connect" : "Disconnect";
  $("user").disabled = $("room").disabled = state !== "offline" && state !== "refused";
  $("send").disabled = true;
  clearTimeout(refreshTimer);
  if (state === "waiting" || state === "refused") addNote("note", stateText(state, detail));
  if (state === "online") {
    self = detail.connection;
    $("server").textContent = detail.server;
    $("connection").textContent = detail.connection;
    void enterRoom();
  } else {
    self = undefined;
    $("server").textContent = $("connection").textContent = "–";
    showMembers([], 0);
  }
}

function stateText(state, detail) {
  const why = detail?.code === undefined ? "" : `${detail.code}${detail.reason ? ` ${detail.reason}` : ""}`;
  switch (state) {
    case "connecting":
      return "connecting …";
    case "online":
      return `connected as ${detail.user}`;
    case "waiting":
      return `lost (${why}), again in ${(detail.delayMs / 1000).toFixed(1)} s`;
    case "refused":
      return `closed (${why}), not coming back`;
    default:
      return "not connected";
  }
}

async function enterRoom() {
  try {
    await link.request({ type: "join", room });
    addNote("note", `You are in ${room}.`);
    $("send").disabled = false;
    await refresh();
  } catch (error) {
    showError(error);
  }
}

async function refresh() {
  clearTimeout(refreshTimer);
  const asked = self;
  try {
    const { members, total } = await link.request({ type: "members", room, limit: MEMBERS_SHOWN });
    if (self === asked) showMembers(members, total);
    refreshFault = undefined;
  } catch (error) {
    if (self === asked && error.code !== refreshFault) showError(error);
    refreshFault = error.code;
  }
  if (self !== undefined && self === asked) {
    clearTimeout(refreshTimer);
    refreshTimer = setTimeout(refresh, REFRESH_MS);
  }
}

function takeFrame(frame) {
  switch (frame.type) {
    case "message":
      addMessage(frame.from?.connection === self ? "mine" : "message", frame);
      break;
    case "direct":
      addMessage("direct", frame);
      break;
    case "gap":
      addNote(
        "error",
        `${frame.missed ?? "Some"} messages of ${frame.room} ${frame.missed ? "were" : "may have been"} lost on the way.`,
      );
      break;
    case "error":
      showError(frame);
      break;
    // Types that this page does not know are left alone, as the protocol asks.
  }
}

function showMembers(members, total) {
  $("total").textContent = String(total);
  const gone = new Set(rows.keys());
  for (const member of members) {
    gone.delete(member.connection);
    let row = rows.get(member.connection);
    if (row === undefined) {
      row = memberRow(member);
      rows.set(member.connection, row);
    }
  }
  for (const connection of gone) {
    rows.get(connection)?.item.remove();
    rows.delete(connection);
    if (target === connection) writeTo(undefined);
  }
  // Only what is out of place is moved: a row that is moved loses the focus.
  members.forEach(({ connection }, index) => {
    const item = rows.get(connection)?.item;
    const there = $("members").children[index];
    if (item !== undefined && item !== there) $("members").insertBefore(item, there ?? null);
  });
  const hidden = total - members.length;
  $("more").hidden = hidden <= 0;
  $("more").textContent = `and ${hidden} more`;
  for (const label of document.querySelectorAll("#log .server[data-connection]")) nameServer(label);
}

function memberRow({ connection, user, server }) {
  const button = element(
    "button",
    { type: "button", title: connection },
    element("span", { className: "name", textContent: user }),
  );
  button.setAttribute("aria-pressed", "false");
  if (connection === self) {
    button.disabled = true;
    button.append(element("span", { className: "you", textContent: "you" }));
  }
  button.append(element("span", { className: "server", textContent: `on ${server}` }));
  button.addEventListener("click", () => writeTo(target === connection ? undefined : connection));
  return { item: element("li", {}, button), button, user, server };
}

function writeTo(connection) {
  rows.get(target)?.button.setAttribute("aria-pressed", "false");
  target = connection;
  const row = rows.get(target);
  row?.button.setAttribute("aria-pressed", "true");
  $("compose").toggleAttribute("data-direct", row !== undefined);
  $("target").textContent = row === undefined ? "To the room" : `Direct to ${row.user} on ${row.server}`;
  $("to-room").hidden = row === undefined;
  $("without-me").disabled = row !== undefined;
  if (row !== undefined) $("text").focus();
}

function addMessage(kind, { from, data }) {
  const who = element("span", { className: "from" }, element("b", { textContent: from?.user ?? "the application" }));
  if (from !== undefined) {
    const server = element("span", { className: "server" });
    server.dataset.connection = from.connection;
    who.append(" ", server);
    nameServer(server);
  }
  if (kind === "direct") who.append(" directly to you");
  const text = typeof data?.text === "string" ? data.text : JSON.stringify(data);
  addEntry(kind, who, element("span", { className: "body", textContent: text }));
}

/** Says which server a sender is on, as soon as the member list tells. */
function nameServer(label) {
  const row = rows.get(label.dataset.connection);
  label.textContent = row === undefined ? `(${label.dataset.connection})` : `on ${row.server}`;
  label.title = label.dataset.connection;
  if (row !== undefined) delete label.dataset.connection;
}

function addNote(kind, text) {
  addEntry(kind, element("span", { className: "body", textContent: text }));
}

function showError({ code, message }) {
  addNote("error", `${code}: ${message}`);
}

function addEntry(kind, ...children) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const item = element("li", {}, ...children);
  item.dataset.kind = kind;
  log.append(item);
  while (log.children.length > LOG_MAX) log.firstElementChild?.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

$("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!$("user").disabled) {
    const user = $("user").value;
    room = $("room").value;
    const fault = [
      ["Your name", nameFault(user)],
      ["The room's name", nameFault(room)],
    ].find(([, found]) => found !== undefined);
    if (fault !== undefined) addNote("error", `${fault[0]} ${fault[1]}.`);
    else link.open(user);
    updateAnother();
  } else {
    link.close();
  }
});

$("compose").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value;
  const data = { text };
  const row = rows.get(target);
  try {
    if (row === undefined) {
      await link.request({ type: "publish", room, data, echo: !$("without-me").checked });
      if ($("without-me").checked) addNote("note", `Sent to the others: ${text}`);
    } else {
      const { outcome } = await link.request({ type: "send", connection: target, data });
      addNote("note", `To ${row.user} on ${row.server} (${outcome}): ${text}`);
    }
    if ($("text").value === text) $("text").value = "";
  } catch (error) {
    showError(error);
  }
});

$("to-room").addEventListener("click", () => writeTo(undefined));
$("room").addEventListener("input", updateAnother);

function updateAnother() {
  $("another").href = `/?room=${encodeURIComponent($("room").value)}`;
}

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

const query = new URLSearchParams(location.search);
const colour = pick(["amber", "azure", "coral", "ivory", "jade", "olive", "scarlet", "silver", "teal", "violet"]);
const animal = pick(["badger", "crane", "dolphin", "falcon", "heron", "lynx", "marten", "otter", "raven", "tapir"]);
$("user").value = query.get("user") ?? `${colour}-${animal}-${Math.floor(Math.random() * 90) + 10}`;
$("room").value = query.get("room") ?? "lobby";
updateAnother();

/**
 * A page for trying out a gateway. It uses nothing but the client protocol (docs/protocol.md). Data from other
 * users is shown as text, never as markup.
 */

import { $, body, element, name } from "./elements.js";
import { Link, nameFault, tokenFault } from "./link.js";

const REFRESH_MS = 2_000;
const LOG_MAX = 200;
const MEMBERS_SHOWN = 200;

/** The room to join, as entered at the last click on Connect. */
let room = "";
/** This connection's id; `undefined` while there is no connection. */
let self;
/** The id of the connection that messages are sent to; `undefined` if they are published to the room. */
let target;
/** Rows of the member list, by connection id. */
const rows = new Map();
let refreshTimer;
/**
 * The error code of the last refresh of the member list; `undefined` if it succeeded. A refresh runs every two
 * seconds, and shows an error only if its code is a new one.
 */
let refreshFault;

const link = new Link({ onState: showState, onFrame: takeFrame });

function showState(state, detail) {
  $("state").dataset.state = state;
  document.body.dataset.state = state;
  $("state").replaceChildren(...stateText(state, detail));
  $("connect-button").textContent = state === "offline" || state === "refused" ? "Connect" : "Disconnect";
  $("user").disabled = $("room").disabled = state !== "offline" && state !== "refused";
  $("send").disabled = true;
  $("hand-in").disabled = state !== "online";
  clearTimeout(refreshTimer);
  if (state === "waiting" || state === "refused") addNote("note", ...stateText(state, detail));
  if (state === "online") {
    self = detail.connection;
    // `welcome` contains the server's id only if SHOW_SERVER_IDS is set.
    $("server").textContent = detail.server ?? "–";
    $("connection").textContent = detail.connection;
    void enterRoom();
  } else {
    self = undefined;
    $("server").textContent = $("connection").textContent = "–";
    showMembers([], 0);
  }
}

/** Returns the description of a state, as a list of strings and elements. */
function stateText(state, detail) {
  const why = detail?.code === undefined ? "" : `${detail.code}${detail.reason ? ` ${detail.reason}` : ""}`;
  switch (state) {
    case "connecting":
      return ["connecting …"];
    case "online":
      return ["connected as ", name(detail.user)];
    case "waiting":
      return [`lost (${why}), again in ${(detail.delayMs / 1000).toFixed(1)} s`];
    case "refused":
      return [`closed (${why}), not coming back`];
    default:
      return ["not connected"];
  }
}

async function enterRoom() {
  try {
    await link.request({ type: "join", room });
    addNote("note", "You are in ", name(room), ".");
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
      if (frame.reason !== undefined) {
        addNote("error", `${frame.missed} messages of `, name(frame.room), " were left out, since they were not read.");
        break;
      }
      addNote(
        "error",
        `${frame.missed ?? "Some"} messages of `,
        name(frame.room),
        ` ${frame.missed ? "were" : "may have been"} lost on the way.`,
      );
      break;
    case "removed":
      addNote("error", "You were put out of ", name(frame.room), ".");
      $("send").disabled = true;
      showMembers([], 0);
      break;
    case "token-expiring":
      addNote("note", `The token expires in ${Math.round(frame.expiresInMs / 1000)} s: hand in another one.`);
      break;
    case "error":
      showError(frame);
      break;
    // Ignore unknown types, as the protocol requires.
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
  // Move only the rows that are in the wrong place, because a row that is moved loses the focus.
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
  const button = element("button", { type: "button", title: connection }, name(user));
  button.setAttribute("aria-pressed", "false");
  if (connection === self) {
    button.disabled = true;
    button.append(element("span", { className: "you", textContent: "you" }));
  }
  if (server !== undefined) button.append(element("span", { className: "server", textContent: `on ${server}` }));
  button.addEventListener("click", () => writeTo(target === connection ? undefined : connection));
  return { item: element("li", {}, button), button, user, server };
}

/** Returns the end of a sentence that names a member's server; empty if the server is not known. */
function place({ server }) {
  return server === undefined ? "" : ` on ${server}`;
}

function writeTo(connection) {
  rows.get(target)?.button.setAttribute("aria-pressed", "false");
  target = connection;
  const row = rows.get(target);
  row?.button.setAttribute("aria-pressed", "true");
  $("compose").toggleAttribute("data-direct", row !== undefined);
  $("target").replaceChildren(...(row === undefined ? ["To the room"] : ["Direct to ", name(row.user), place(row)]));
  $("to-room").hidden = row === undefined;
  $("without-me").disabled = row !== undefined;
  if (row !== undefined) $("text").focus();
}

function addMessage(kind, { from, data }) {
  const who = element(
    "span",
    { className: "from" },
    element("b", {}, from === undefined ? "the application" : name(from.user)),
  );
  if (from !== undefined) {
    const server = element("span", { className: "server" });
    server.dataset.connection = from.connection;
    who.append(" ", server);
    nameServer(server);
  }
  if (kind === "direct") who.append(" directly to you");
  const text = typeof data?.text === "string" ? data.text : JSON.stringify(data);
  addEntry(kind, who, body(text));
}

/**
 * Shows a sender's server in a label. If the member list does not contain the sender yet, shows the connection id
 * instead, and a later member list replaces it.
 */
function nameServer(label) {
  const row = rows.get(label.dataset.connection);
  label.textContent = row === undefined ? `(${label.dataset.connection})` : place(row).trim();
  label.title = label.dataset.connection;
  if (row !== undefined) delete label.dataset.connection;
}

/** Adds an entry that is not a message. `parts` are strings and elements. */
function addNote(kind, ...parts) {
  addEntry(kind, element("span", { className: "body" }, ...parts));
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
      ["The token", tokenFault($("token").value)],
    ].find(([, found]) => found !== undefined);
    if (fault !== undefined) addNote("error", `${fault[0]} ${fault[1]}.`);
    else link.open(user, $("token").value);
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
      if ($("without-me").checked) addNote("note", "Sent to the others: ", body(text));
    } else {
      const { outcome } = await link.request({ type: "send", connection: target, data });
      addNote("note", "To ", name(row.user), `${place(row)} (${outcome}): `, body(text));
    }
    if ($("text").value === text) $("text").value = "";
  } catch (error) {
    showError(error);
  }
});

$("hand-in").addEventListener("click", async () => {
  try {
    const expiresInMs = await link.refresh($("token").value);
    addNote("note", `The token was taken; it expires in ${Math.round(expiresInMs / 1000)} s.`);
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

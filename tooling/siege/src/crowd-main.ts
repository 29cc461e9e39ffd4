import { RawSocket } from "@cm/load";
import { CLIENT_PROTOCOL_VERSION, SUBPROTOCOL } from "@cm/protocol";
import type { CrowdOrder, CrowdReport, FloodOrder, OpenOrder } from "./crowd-orders.js";

/** Maximum time for one connection to join its rooms, in milliseconds. */
const OPEN_TIMEOUT_MS = 30_000;

/** Interval of a flood's sends, in milliseconds. */
const STEP_MS = 10;

const ERROR_HEAD = '{"type":"error","code":"';
const ACK_HEAD = '{"type":"ack"';
const WELCOME_HEAD = '{"type":"welcome"';

const sockets = new Set<RawSocket>();
const errors: Record<string, number> = {};
const ends: Record<string, number> = {};
let received = 0;

function report(): CrowdReport {
  return { open: sockets.size, received, errors, ends };
}

/** Opens one connection. Resolves when it has joined its rooms or has ended. */
function openOne({ wsUrl, user, isOneUser, rooms, stalls, headers }: OpenOrder, number: number): Promise<void> {
  return new Promise((settle) => {
    const url = new URL(wsUrl);
    const name = isOneUser ? user : `${user}${number}`;
    const query = url.search === "" ? "?" : `${url.search}&`;
    let missing = rooms.length;
    const ready = (): void => {
      clearTimeout(timer);
      if (stalls) socket.pause();
      settle();
    };
    const socket = new RawSocket(
      { url, path: `${url.pathname}${query}user=${name}`, subprotocol: SUBPROTOCOL, headers },
      {
        onOpen: () => socket.send(JSON.stringify({ type: "hello", version: CLIENT_PROTOCOL_VERSION })),
        onMessage: (bytes, start, end) => {
          received++;
          const head = bytes.toString("latin1", start, Math.min(end, start + 64));
          if (head.startsWith(ERROR_HEAD)) {
            const code = head.slice(ERROR_HEAD.length).split('"')[0] ?? "";
            errors[code] = (errors[code] ?? 0) + 1;
            if (missing > 0 && --missing === 0) ready();
          } else if (head.startsWith(WELCOME_HEAD)) {
            sockets.add(socket);
            if (missing === 0) ready();
            for (const room of rooms) {
              socket.send(JSON.stringify({ type: "join", room: room.replace("#", String(number)), ref: 0 }));
            }
          } else if (missing > 0 && head.startsWith(ACK_HEAD) && --missing === 0) ready();
        },
        onClosed: (code) => {
          clearTimeout(timer);
          sockets.delete(socket);
          ends[code] = (ends[code] ?? 0) + 1;
          settle();
        },
      },
    );
    const timer = setTimeout(() => socket.destroy(), OPEN_TIMEOUT_MS);
  });
}

async function open(order: OpenOrder): Promise<void> {
  let next = 0;
  const openInTurn = async (): Promise<void> => {
    while (next < order.count) await openOne(order, next++);
  };
  await Promise.all(Array.from({ length: Math.min(order.atOnce, order.count) }, openInTurn));
}

/** Sends at a steady rate; a late step catches up. */
async function flood({ frame, isPing = false, perSecond, seconds }: FloodOrder): Promise<void> {
  const beganAt = performance.now();
  let sent = 0;
  for (;;) {
    const elapsedMs = performance.now() - beganAt;
    const due = Math.floor((Math.min(elapsedMs, seconds * 1000) * perSecond) / 1000);
    for (; sent < due; sent++) for (const socket of sockets) isPing ? socket.ping(frame) : socket.send(frame);
    if (elapsedMs >= seconds * 1000) return;
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}

async function carryOut(order: CrowdOrder): Promise<void> {
  if (order.type === "open") await open(order);
  else if (order.type === "flood") await flood(order);
  else for (const socket of sockets) socket.destroy();
}

process.on("message", (order: CrowdOrder) => {
  void carryOut(order).then(() => process.send?.(report()));
});
// Ends when the process that gives the orders is gone.
process.on("disconnect", () => process.exit(0));

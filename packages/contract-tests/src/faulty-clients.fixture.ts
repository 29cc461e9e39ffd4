/*
 * This is not a test by itself: `clients-bite.test.ts` runs this file and expects it to fail. It contains clients
 * that break one rule of the protocol each.
 */
import { CLIENT_PROTOCOL_VERSION, mayReconnect, SUBPROTOCOL } from "@cm/protocol";
import WebSocket from "ws";
import { type ClientParts, type ClientSuite, describeClient, type TestedClient } from "./client/index.js";

/** The rule that a client breaks, and the suite that must notice. Its other suites are skipped, to save time. */
const FAULTS = {
  none: undefined,
  "join-before-hello": "handshake",
  "answers-in-order": "requests",
  "waits-for-good": "requests",
  "dies-of-the-unknown": "receiving",
  "always-back": "refused-upgrades",
  "at-once": "reconnecting",
  "position-of-the-answer": "resume",
} as const satisfies Record<string, ClientSuite | undefined>;
type Fault = keyof typeof FAULTS;

const SUITES: readonly ClientSuite[] = [
  "handshake",
  "requests",
  "receiving",
  "reconnecting",
  "refused-upgrades",
  "resume",
];

/** The fields of server frames that the client reads. */
interface Frame {
  readonly type: string;
  readonly ref?: number;
  readonly room: string;
  readonly data?: unknown;
  readonly epoch?: number;
  readonly offset?: number;
  readonly recovered?: boolean;
}

function startClient({ url, rooms, onMessage }: ClientParts, fault: Fault): TestedClient {
  const waiting = new Map<number, { resolve: (frame: Frame) => void; reject: (error: Error) => void }>();
  const since = new Map<string, { readonly epoch: number; readonly offset: number }>();
  let socket: WebSocket;
  let timer: NodeJS.Timeout | undefined;
  let lastRef = 0;
  let failures = 0;
  let isClosed = false;

  const request = (frame: object, onAnswer?: (answer: Frame) => void): Promise<Frame> =>
    new Promise((resolve, reject) => {
      const take = (answer: Frame): void => {
        onAnswer?.(answer);
        resolve(answer);
      };
      waiting.set(++lastRef, { resolve: take, reject });
      socket.send(JSON.stringify({ ...frame, ref: lastRef }));
    });

  const place = (room: string, { epoch, offset }: Frame): void => {
    if (epoch !== undefined && offset !== undefined) since.set(room, { epoch, offset });
  };

  const take = (frame: Frame): void => {
    if (frame.type === "message") {
      place(frame.room, frame);
      onMessage(frame.room, frame.data);
    }
    const known = ["message", "welcome", "ack", "error", "gap"].includes(frame.type);
    if (fault === "dies-of-the-unknown" && !known) socket.close(1000);
    const ref = fault === "answers-in-order" && frame.type === "ack" ? [...waiting.keys()][0] : frame.ref;
    if (ref === undefined) return;
    const entry = waiting.get(ref);
    waiting.delete(ref);
    if (frame.type === "error") entry?.reject(new Error("The server refused the request."));
    else entry?.resolve(frame);
  };

  const hello = (): Promise<unknown> => request({ type: "hello", version: CLIENT_PROTOCOL_VERSION });
  const join = (): Promise<unknown>[] =>
    rooms.map((room) =>
      request({ type: "join", room, since: since.get(room) }, (answer) => {
        if (answer.recovered !== true || fault === "position-of-the-answer") place(room, answer);
      }),
    );

  const begin = (): Promise<unknown> =>
    Promise.all(fault === "join-before-hello" ? [...join(), hello()] : [hello(), ...join()]);

  const comeBack = (): void => {
    const base = Math.min(30_000, 500 * 2 ** failures++);
    timer = setTimeout(connect, fault === "at-once" ? 0 : base / 2 + (Math.random() * base) / 2);
  };

  function connect(): void {
    socket = new WebSocket(url, SUBPROTOCOL);
    let status: number | undefined;
    socket.on("unexpected-response", (_request, response) => {
      status = response.statusCode ?? 500;
      response.resume();
      socket.terminate();
    });
    socket.on("error", () => undefined);
    socket.on("open", () => void begin().catch(() => socket.close(1000)));
    socket.on("message", (bytes) => take(JSON.parse(String(bytes)) as Frame));
    socket.on("close", (code) => {
      if (fault !== "waits-for-good") {
        for (const { reject } of waiting.values()) reject(new Error("The connection ended."));
        waiting.clear();
      }
      if (isClosed) return;
      const isWorthIt = status === undefined ? mayReconnect(code) : status === 429 || status >= 500;
      if (isWorthIt || fault === "always-back") comeBack();
    });
  }

  connect();
  return {
    publish: (room, data) => request({ type: "publish", room, data }),
    close() {
      isClosed = true;
      clearTimeout(timer);
      socket.close(1000);
    },
  };
}

for (const [fault, suite] of Object.entries(FAULTS) as [Fault, ClientSuite | undefined][]) {
  // The type in the cast is that of the entries of `FAULTS`.
  const others = SUITES.filter((each) => suite !== undefined && each !== suite);
  const skipped = Object.fromEntries(others.map((each) => [each, "another suite notices this fault"]));
  describeClient(fault, (parts) => startClient(parts, fault), { skip: skipped });
}

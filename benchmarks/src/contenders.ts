import { fileURLToPath } from "node:url";
import { CmError, encodeServerFrame } from "@cm/protocol";
import { cmProtocol } from "./protocols/cm-protocol.js";
import { minimumProtocol } from "./protocols/minimum-protocol.js";
import type { RoomProtocol } from "./protocols/room-protocol.js";
import { socketIoProtocol } from "./protocols/socket-io-protocol.js";

/** The servers that are compared with each other. */
export const CONTENDER_NAMES = [
  "cm",
  "cm-no-window",
  "cm-ws",
  "minimum",
  "minimum-window",
  "same-bytes",
  "floor",
  "ws",
  "socket.io",
  "socket.io-uws",
  "socket.io-sharded",
  "socket.io-streams",
] as const;
export type ContenderName = (typeof CONTENDER_NAMES)[number];

/** The forms of this project's gateway, which are compared with the other contenders. */
export const OWN_CONTENDERS = ["cm", "cm-no-window", "cm-ws"] as const satisfies readonly ContenderName[];

/** Whether a contender is a form of this project's gateway. */
export function isOwnContender(name: string): boolean {
  return OWN_CONTENDERS.some((own) => own === name);
}

/** How to start a contender's server, and which protocol it uses. */
export interface Contender {
  /** The program of one server process. */
  readonly program: string;
  /** Path of the WebSocket endpoint. */
  readonly path: string;
  /** Environment variables in addition to `PORT` and `REDIS_URL`; `index` is the number of the process. */
  environment(index: number): Readonly<Record<string, string>>;
  readonly protocol: RoomProtocol;
  /** Number of bytes added to each payload. */
  readonly extraBytes?: number;
  /**
   * Maximum number of server processes. It is 1 for a contender without a broker, whose members must all be on one
   * server. Default: the scenario's number.
   */
  readonly maxServers?: number;
}

/**
 * Number of bytes that a frame of this project has in addition to payload and room name, minus the same of the
 * handwritten minimum. The 3 that is subtracted is the payload `0`, and the `=` and line feed of the minimum's
 * frame.
 */
const FRAME_EXTRA_BYTES =
  encodeServerFrame({
    type: "message",
    room: "",
    from: { connection: "bench-0.abcd701", user: "load-0001" },
    data: 0,
  }).length - 3;

const program = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/**
 * Environment of the gateway: its default configuration, without the limits that the load would exceed, and with a
 * log that has only warnings and errors.
 */
const cmEnvironment = (index: number) => ({
  SERVER_ID: `bench-${index}`,
  LISTEN_HOST: "127.0.0.1",
  LOG_LEVEL: "warn",
  // Allow the largest payload that is measured, 20,000 bytes.
  MAX_FRAME_BYTES: "65536",
  // Allow ten thousand members and the connection of the ping probe.
  MAX_CONNECTIONS: "20000",
  // Raise these limits, because a single client of a hot or huge room sends more messages than one player
  // would.
  MAX_REQUESTS_PER_SECOND: "10000",
  MAX_FANOUT_PER_SECOND: "0",
  MAX_FANOUT_PERCENT: "0",
  // The probe sends 50 WebSocket pings a second.
  MAX_CONTROL_FRAMES_PER_SECOND: "0",
});

export const CONTENDERS: Readonly<Record<ContenderName, Contender>> = {
  cm: {
    program: program("../../apps/gateway/dist/main.js"),
    path: "/ws",
    environment: cmEnvironment,
    protocol: cmProtocol,
  },
  // The gateway without a window: every message is written at once.
  "cm-no-window": {
    program: program("../../apps/gateway/dist/main.js"),
    path: "/ws",
    environment: (index) => ({ ...cmEnvironment(index), ROOM_WINDOW_MS: "0" }),
    protocol: cmProtocol,
  },
  // The gateway with the transport that needs no native code.
  "cm-ws": {
    program: program("../../apps/gateway/dist/main.js"),
    path: "/ws",
    environment: (index) => ({ ...cmEnvironment(index), TRANSPORT: "ws" }),
    protocol: cmProtocol,
  },
  minimum: {
    program: program("./minimum/minimum-server.js"),
    path: "/ws",
    environment: () => ({}),
    protocol: minimumProtocol,
  },
  // The handwritten minimum with a window as long as the gateway's, but for all rooms at all rates.
  "minimum-window": {
    program: program("./minimum/minimum-server.js"),
    path: "/ws",
    environment: () => ({ WINDOW_MS: "10" }),
    protocol: minimumProtocol,
  },
  // The handwritten minimum, with payloads enlarged to the size of this project's frames.
  "same-bytes": {
    program: program("./minimum/minimum-server.js"),
    path: "/ws",
    environment: () => ({}),
    protocol: minimumProtocol,
    extraBytes: FRAME_EXTRA_BYTES,
  },
  // uWebSockets.js without a broker, which limits it to one process.
  floor: {
    program: program("./floor/floor-server.js"),
    path: "/ws",
    environment: () => ({}),
    protocol: minimumProtocol,
    maxServers: 1,
  },
  ws: {
    program: program("./ws/ws-server.js"),
    path: "/ws",
    environment: () => ({}),
    protocol: minimumProtocol,
  },
  "socket.io": {
    program: program("./socket-io/socket-io-server.js"),
    path: "/",
    environment: () => ({}),
    protocol: socketIoProtocol,
  },
  "socket.io-uws": {
    program: program("./socket-io/socket-io-uws-server.js"),
    path: "/",
    environment: () => ({}),
    protocol: socketIoProtocol,
  },
  // socket.io on Node's HTTP server, with the adapters for sharded channels of Redis 7 and for Redis streams.
  "socket.io-sharded": {
    program: program("./socket-io/socket-io-server.js"),
    path: "/",
    environment: () => ({ ADAPTER: "sharded" }),
    protocol: socketIoProtocol,
  },
  "socket.io-streams": {
    program: program("./socket-io/socket-io-server.js"),
    path: "/",
    environment: () => ({ ADAPTER: "streams" }),
    protocol: socketIoProtocol,
  },
};

/** Returns `name` as the name of a contender. Throws `internal` if no contender has it. */
export function contenderNamed(name: string): ContenderName {
  const found = CONTENDER_NAMES.find((each) => each === name);
  if (found === undefined) throw new CmError("internal", `There is no contender ${name}.`);
  return found;
}

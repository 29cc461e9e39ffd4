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
   * Number of server processes if the contender cannot have as many as the scenario: 1 without a broker, where
   * all members are on one server.
   */
  readonly maxServers?: number;
}

/**
 * Size of the fields that a frame of this project has in addition to payload and room (its type and the
 * sender), minus the two characters that the handwritten minimum adds to a payload.
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
 * Environment of the gateway: the default configuration, except for the settings that would limit the load,
 * which are the limits on connections and on a client's requests and fan-out, and the log.
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
  // The handwritten minimum with a window of the same length as the gateway's for all rooms and rates.
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
  // The adapters for sharded channels of Redis 7 and for Redis streams, on the default HTTP server.
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

/** The contender with a name. Throws `internal` if there is none. */
export function contenderNamed(name: string): ContenderName {
  const found = CONTENDER_NAMES.find((each) => each === name);
  if (found === undefined) throw new CmError("internal", `There is no contender ${name}.`);
  return found;
}

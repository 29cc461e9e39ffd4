import { fileURLToPath } from "node:url";
import { createCmDialect, type Dialect } from "@cm/load";
import { encodeServerFrame } from "@cm/protocol";
import { minimumDialect } from "./minimum/minimum-dialect.js";
import { socketIoDialect } from "./socket-io/socket-io-dialect.js";

/** The servers that are compared with each other. */
export const CONTENDER_NAMES = [
  "cm",
  "cm-no-window",
  "minimum",
  "same-bytes",
  "ws",
  "socket.io",
  "socket.io-uws",
] as const;
export type ContenderName = (typeof CONTENDER_NAMES)[number];

/** How to start a contender's server, and which protocol it uses. */
export interface Contender {
  /** The program of one server process. */
  readonly program: string;
  /** Path of the WebSocket endpoint. */
  readonly path: string;
  /** Environment variables in addition to `PORT` and `REDIS_URL`; `index` is the number of the process. */
  environment(index: number): Readonly<Record<string, string>>;
  dialect(): Dialect;
  /** Number of bytes added to each payload. */
  readonly extraBytes?: number;
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
  // Allow ten thousand members and the connection of the ping probe.
  MAX_CONNECTIONS: "20000",
  // Raise these limits, because a single client of a hot or huge room sends more messages than one player
  // would.
  MAX_REQUESTS_PER_SECOND: "10000",
  MAX_FANOUT_PER_SECOND: "0",
  MAX_FANOUT_PERCENT: "0",
});

export const CONTENDERS: Readonly<Record<ContenderName, Contender>> = {
  cm: {
    program: program("../../apps/gateway/dist/main.js"),
    path: "/ws",
    environment: cmEnvironment,
    dialect: () => createCmDialect({ acks: false }),
  },
  // The gateway without a window: every message is written at once.
  "cm-no-window": {
    program: program("../../apps/gateway/dist/main.js"),
    path: "/ws",
    environment: (index) => ({ ...cmEnvironment(index), ROOM_WINDOW_MS: "0" }),
    dialect: () => createCmDialect({ acks: false }),
  },
  minimum: {
    program: program("./minimum/minimum-server.js"),
    path: "/ws",
    environment: () => ({}),
    dialect: () => minimumDialect,
  },
  // The handwritten minimum, with payloads enlarged to the size of this project's frames.
  "same-bytes": {
    program: program("./minimum/minimum-server.js"),
    path: "/ws",
    environment: () => ({}),
    dialect: () => minimumDialect,
    extraBytes: FRAME_EXTRA_BYTES,
  },
  ws: {
    program: program("./ws/ws-server.js"),
    path: "/ws",
    environment: () => ({}),
    dialect: () => minimumDialect,
  },
  "socket.io": {
    program: program("./socket-io/socket-io-server.js"),
    path: "/",
    environment: () => ({}),
    dialect: () => socketIoDialect,
  },
  "socket.io-uws": {
    program: program("./socket-io/socket-io-uws-server.js"),
    path: "/",
    environment: () => ({}),
    dialect: () => socketIoDialect,
  },
};

import { fileURLToPath } from "node:url";
import { createCmDialect, type Dialect } from "@cm/load";
import { encodeServerFrame } from "@cm/protocol";
import { minimumDialect } from "./minimum/minimum-dialect.js";
import { socketIoDialect } from "./socket-io/socket-io-dialect.js";

/** What is measured side by side. */
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

/** How a contender's server is started and spoken to. */
export interface Contender {
  /** The program of one server process. */
  readonly program: string;
  /** Path of the WebSocket endpoint. */
  readonly path: string;
  /** Its environment beside `PORT` and `REDIS_URL`; `index` tells its processes apart. */
  environment(index: number): Readonly<Record<string, string>>;
  dialect(): Dialect;
  /** Bytes added to each payload. */
  readonly extraBytes?: number;
}

/**
 * What a frame of this project says beside the payload and the room (its type, and who
 * sent it), less what the minimum puts around a payload: two characters.
 */
const FRAME_EXTRA_BYTES =
  encodeServerFrame({
    type: "message",
    room: "",
    from: { connection: "bench-0.abcd701", user: "load-0001" },
    data: 0,
  }).length - 3;

const program = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** As it comes, with everything switched on, but for what would keep the load from it: the limits on what messages cause, and the log. */
const cmEnvironment = (index: number) => ({
  SERVER_ID: `bench-${index}`,
  LISTEN_HOST: "127.0.0.1",
  LOG_LEVEL: "warn",
  // Ten thousand members, and the ping beside them.
  MAX_CONNECTIONS: "20000",
  // What one client sends of a hot or huge room is more than one player would.
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
  // The same with every message written at once.
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
  // The minimum once more, delivering as many bytes as this project's frames have.
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

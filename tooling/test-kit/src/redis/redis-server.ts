import { eventually } from "../eventually.js";
import { findLauncher } from "./find-launcher.js";
import { freePort } from "./free-port.js";
import type { RedisProcess } from "./launcher.js";
import { askRedis } from "./resp-connection.js";

/** A Redis process for tests, answering on a loopback port. */
export interface RedisServer {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  /** The process id; another one after {@link RedisServer.restart}. */
  readonly pid: number;
  /** Which way it was started: `docker`, `PATH` or `apt`. */
  readonly launcher: string;
  /** Signals the process: `SIGSTOP` pauses, `SIGCONT` continues, `SIGKILL` ends it. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Ends the process at once and keeps the port for {@link RedisServer.restart}. */
  kill(): Promise<void>;
  /** Starts an empty process on the same port, after ending the one that runs. */
  restart(): Promise<void>;
  /** Ends it and removes its files. Idempotent. */
  close(): Promise<void>;
}

/** What {@link startRedis} takes. */
export interface StartRedisOptions {
  /** Further arguments of `redis-server`. */
  readonly args?: readonly string[];
}

// Nothing on disk: what a test needs is gone with the process. DEBUG is for fault tests.
const EPHEMERAL = ["--save", "", "--appendonly", "no", "--loglevel", "warning", "--enable-debug-command", "local"];

/** Starts one Redis on a free loopback port; resolves when it answers. */
export function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  return startServer(() => [...EPHEMERAL, ...(options.args ?? [])]);
}

/**
 * Starts a process in any role. `argsFor` is asked at each try, since a port that was
 * free a moment ago may be taken.
 */
export async function startServer(
  argsFor: (port: number) => readonly string[] | Promise<readonly string[]>,
  sentinel = false,
): Promise<RedisServer> {
  const launcher = await findLauncher();
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const args = await argsFor(port);
    const launch = async (): Promise<RedisProcess> => {
      const started = await launcher.launch({ port, args, sentinel });
      try {
        await answering(started, port);
      } catch (error) {
        await started.stop();
        throw error;
      }
      return started;
    };
    try {
      return createServer(launcher.name, port, await launch(), launch);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

/** The arguments that every data node is started with. */
export const DATA_NODE_ARGS: readonly string[] = EPHEMERAL;

async function answering(started: RedisProcess, port: number): Promise<void> {
  let ended: string | undefined;
  await eventually(
    async () => {
      if (started.ended !== undefined) {
        ended = started.ended.output;
        return;
      }
      await askRedis(port, "PING");
    },
    { timeoutMs: 20_000 },
  );
  if (ended !== undefined) throw new Error(`Redis ended while it was starting:\n${ended}`);
}

function createServer(
  launcher: string,
  port: number,
  first: RedisProcess,
  launch: () => Promise<RedisProcess>,
): RedisServer {
  let current = first;
  return {
    host: "127.0.0.1",
    port,
    url: `redis://127.0.0.1:${port}`,
    launcher,
    get pid() {
      return current.pid;
    },
    signal: (name) => current.signal(name),
    kill: () => current.stop(),
    async restart() {
      await current.stop();
      current = await launch();
    },
    close: () => current.stop(),
  };
}

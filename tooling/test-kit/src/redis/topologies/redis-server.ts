import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../eventually.js";
import { findLauncher } from "../launchers/find-launcher.js";
import { freePort } from "../launchers/free-port.js";
import type { RedisProcess } from "../launchers/launcher.js";
import { askRedis, type RespReply } from "../resp-connection.js";

/** A Redis process for tests, listening on a loopback port. */
export interface RedisServer {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  /** The process id; changes with {@link RedisServer.restart}. */
  readonly pid: number;
  /** How the process was started: `docker`, `PATH` or `apt`. */
  readonly launcher: string;
  /** Whether the process was started and not killed or closed since. A paused process counts as running. */
  readonly running: boolean;
  /** Sends a signal to the process: `SIGSTOP` pauses it, `SIGCONT` continues it, `SIGKILL` ends it. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Pauses the process: its connections stay open but get no response. */
  pause(): Promise<void>;
  /** Continues a paused process. */
  resume(): Promise<void>;
  /** Sends one command over a separate connection that bypasses every proxy. */
  ask(...args: readonly (string | number)[]): Promise<RespReply>;
  /** Ends the process at once and keeps the port for {@link RedisServer.restart}. */
  kill(): Promise<void>;
  /**
   * Ends the running process and starts a new one on the same port. By default the new process is empty and
   * knows no other server. With `keepFiles`, it loads its files: the data if it was started as `durable`, a
   * node's view of its Cluster, or the masters that a Sentinel watches.
   */
  restart(options?: { readonly keepFiles?: boolean }): Promise<void>;
  /** Ends the process and removes its files. Idempotent. */
  close(): Promise<void>;
}

/** Options of {@link startRedis}. */
export interface StartRedisOptions {
  /** Additional arguments of `redis-server`. */
  readonly args?: readonly string[];
  /** Whether every change is written to disk before its reply, so that a restart can keep it. Default `false`. */
  readonly durable?: boolean;
}

const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];

// Store nothing on disk, so that a test's data is gone with the process. Enable DEBUG for fault tests. Send
// data to the first replica at once: by default a master waits five seconds for further replicas.
const EPHEMERAL = [
  ...["--save", "", "--appendonly", "no", "--loglevel", "warning", "--enable-debug-command", "local"],
  ...["--repl-diskless-sync-delay", "0"],
];

/** Starts one Redis on a free loopback port. Resolves when it responds. */
export function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  return startServer(() => [...EPHEMERAL, ...(options.durable ? DURABLE : []), ...(options.args ?? [])]);
}

/**
 * Starts a process in any role. `argsFor` is called for each attempt, because a port that was free a moment
 * ago may be taken.
 */
export async function startServer(
  argsFor: (port: number) => readonly string[] | Promise<readonly string[]>,
  sentinel = false,
): Promise<RedisServer> {
  const launcher = await findLauncher();
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const args = await argsFor(port);
    const dir = await mkdtemp(join(tmpdir(), "cm-redis-"));
    const launch = async (): Promise<RedisProcess> => {
      const started = await launcher.launch({ port, dir, args, sentinel });
      try {
        await answering(started, port);
      } catch (error) {
        await started.stop();
        throw error;
      }
      return started;
    };
    try {
      return createServer(launcher.name, port, dir, await launch(), launch);
    } catch (error) {
      await remove(dir);
      if (attempt === 3) throw error;
    }
  }
}

/** The arguments of every data node. */
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
  dir: string,
  first: RedisProcess,
  launch: () => Promise<RedisProcess>,
): RedisServer {
  let current = first;
  let running = true;
  const stop = async (): Promise<void> => {
    running = false;
    await current.stop();
  };
  return {
    host: "127.0.0.1",
    port,
    url: `redis://127.0.0.1:${port}`,
    launcher,
    get pid() {
      return current.pid;
    },
    get running() {
      return running;
    },
    signal: (name) => current.signal(name),
    pause: () => current.signal("SIGSTOP"),
    resume: () => current.signal("SIGCONT"),
    ask: (...args) => askRedis(port, ...args),
    kill: stop,
    async restart(options = {}) {
      await stop();
      if (!options.keepFiles) for (const file of await readdir(dir)) await remove(join(dir, file));
      current = await launch();
      running = true;
    },
    async close() {
      await stop();
      await remove(dir);
    },
  };
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../eventually.js";
import { findLauncher } from "../launchers/find-launcher.js";
import { freePort } from "../launchers/free-port.js";
import type { RedisProcess } from "../launchers/launcher.js";
import { askRedis, type RespReply } from "../resp-connection.js";

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
  /** Whether its process should be there: started, and not killed or closed since. A paused one runs. */
  readonly running: boolean;
  /** Signals the process: `SIGSTOP` pauses, `SIGCONT` continues, `SIGKILL` ends it. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Stops the process without ending it: its connections stay open and get no answer. */
  pause(): Promise<void>;
  /** Lets a paused process go on. */
  resume(): Promise<void>;
  /** One command over a connection of its own, past every proxy. */
  ask(...args: readonly (string | number)[]): Promise<RespReply>;
  /** Ends the process at once and keeps the port for {@link RedisServer.restart}. */
  kill(): Promise<void>;
  /**
   * Starts a process on the same port, after ending the one that runs. By default it is
   * empty and knows no other server; with `keepFiles` it is what its files make it: the data where
   * it was started as `durable`, a node's place in its Cluster, what a Sentinel watches.
   */
  restart(options?: { readonly keepFiles?: boolean }): Promise<void>;
  /** Ends it and removes its files. Idempotent. */
  close(): Promise<void>;
}

/** What {@link startRedis} takes. */
export interface StartRedisOptions {
  /** Further arguments of `redis-server`. */
  readonly args?: readonly string[];
  /** Writes every change to disk before it answers, so that a restart can keep it. Default `false`. */
  readonly durable?: boolean;
}

const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];

// Nothing on disk: what a test needs is gone with the process. DEBUG is for fault tests.
// By default a master waits five seconds for further replicas before it serves the first.
const EPHEMERAL = [
  ...["--save", "", "--appendonly", "no", "--loglevel", "warning", "--enable-debug-command", "local"],
  ...["--repl-diskless-sync-delay", "0"],
];

/** Starts one Redis on a free loopback port; resolves when it answers. */
export function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  return startServer(() => [...EPHEMERAL, ...(options.durable ? DURABLE : []), ...(options.args ?? [])]);
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

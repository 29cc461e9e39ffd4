/** What to start. */
export interface LaunchRequest {
  readonly port: number;
  /** The folder for its files; it stays when the process ends. */
  readonly dir: string;
  /** Further command line arguments, such as `["--cluster-enabled", "yes"]`. */
  readonly args: readonly string[];
  /** Start it as a Sentinel. */
  readonly sentinel: boolean;
}

/** A Redis process that was started. It may not answer yet. */
export interface RedisProcess {
  /** Its id on this machine. */
  readonly pid: number;
  /** Sends a signal such as `SIGKILL`, `SIGSTOP` or `SIGCONT`. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Whether it has ended by itself, and what it said last. */
  readonly ended: { readonly output: string } | undefined;
  /** Ends it and waits until it is gone. Idempotent. */
  stop(): Promise<void>;
}

/** A way to start Redis on this machine. */
export interface RedisLauncher {
  /** Which way it is, for people: `docker`, `PATH` or `apt`. */
  readonly name: "docker" | "PATH" | "apt";
  launch(request: LaunchRequest): Promise<RedisProcess>;
}

/** The file that a Sentinel keeps its state in, in its folder. It refuses to start without one. */
export const SENTINEL_FILE = "sentinel.conf";

/** The Redis process to start. */
export interface LaunchRequest {
  readonly port: number;
  /** The folder for the process's files; it is kept when the process ends. */
  readonly dir: string;
  /** Additional command line arguments, such as `["--cluster-enabled", "yes"]`. */
  readonly args: readonly string[];
  /** Whether to start the process as a Sentinel. */
  readonly sentinel: boolean;
}

/** A started Redis process. It may not respond yet. */
export interface RedisProcess {
  /** The process id on this machine. */
  readonly pid: number;
  /** Sends a signal such as `SIGKILL`, `SIGSTOP` or `SIGCONT`. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** The last output of the process if it has ended by itself. */
  readonly ended: { readonly output: string } | undefined;
  /** Ends the process and waits until it is gone. Idempotent. */
  stop(): Promise<void>;
}

/** A way to start Redis on this machine. */
export interface RedisLauncher {
  /** Name of the launcher for messages: `docker`, `PATH` or `apt`. */
  readonly name: "docker" | "PATH" | "apt";
  launch(request: LaunchRequest): Promise<RedisProcess>;
}

/** The file in which a Sentinel keeps its state, in its folder. A Sentinel does not start without this file. */
export const SENTINEL_FILE = "sentinel.conf";

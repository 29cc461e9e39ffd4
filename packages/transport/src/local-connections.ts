import { CmError, type OnError } from "@cm/protocol";
import { requireFunction, requireOptions, requireWholeNumber } from "@cm/protocol/options";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Options of the managers of the application's own sockets, whichever library the sockets belong to. */
export interface LocalConnectionOptions {
  /** Maximum number of connections. 1 to 1,000,000; default 10,000. */
  readonly maxConnections?: number | undefined;
  /**
   * Maximum number of bytes queued for one connection; beyond it the connection is closed as a slow consumer.
   * 64 KiB to 256 MiB; default 1 MiB.
   */
  readonly maxBackpressureBytes?: number | undefined;
  /**
   * Called with errors that no caller receives: the errors with which an `onClosed` callback throws or
   * rejects, with the stage `handler`. Must not throw. Default: each error is emitted as a process warning.
   */
  readonly onError?: OnError | undefined;
}

/** {@link LocalConnectionOptions} with every default filled in and every value checked. */
export interface ResolvedLocalConnectionOptions {
  /** See {@link LocalConnectionOptions.maxConnections}. */
  readonly maxConnections: number;
  /** See {@link LocalConnectionOptions.maxBackpressureBytes}. */
  readonly maxBackpressureBytes: number;
  /** See {@link LocalConnectionOptions.onError}. */
  readonly onError: OnError;
}

/** Counters of a manager of the application's own sockets. The last two only grow. */
export interface LocalConnectionStats {
  /** Number of connections that are managed. */
  readonly connections: number;
  /** Number of users with a connection here. */
  readonly users: number;
  /** Connections closed because they did not read; each counts once. */
  readonly slowConsumersClosed: number;
  /** Bytes that were queued for slow consumers when they were cut. */
  readonly bytesDiscarded: number;
}

const KNOWN: Readonly<Record<keyof LocalConnectionOptions, true>> = {
  maxConnections: true,
  maxBackpressureBytes: true,
  onError: true,
};

/**
 * Fills in defaults and checks the common options. `own` lists the names of the manager's additional options, which
 * are not checked here. Throws `options-invalid`; `details.field` names the option.
 */
export function resolveLocalConnectionOptions(
  options: LocalConnectionOptions,
  own: readonly string[] = [],
): ResolvedLocalConnectionOptions {
  requireOptions<object>(options, { ...KNOWN, ...Object.fromEntries(own.map((name) => [name, true])) });
  const { maxConnections = 10_000, maxBackpressureBytes = MIB } = options;
  const { onError = (error: CmError) => process.emitWarning(error) } = options;
  return {
    maxConnections: requireWholeNumber("maxConnections", maxConnections, { min: 1, max: 1_000_000 }),
    maxBackpressureBytes: requireWholeNumber(
      "maxBackpressureBytes",
      maxBackpressureBytes,
      { min: 64 * KIB, max: 256 * MIB },
      "bytes",
    ),
    onError: requireFunction("onError", onError),
  };
}

/**
 * Checks whether a manager with this number of connections may add another one. Throws `id-invalid` if the socket or
 * its connection id is registered already, and `capacity-reached` if the manager is full.
 */
export function requireAddable(isRegistered: boolean, connections: number, maxConnections: number): void {
  if (isRegistered) throw new CmError("id-invalid", "The socket or its connection id is already registered.");
  if (connections < maxConnections) return;
  throw new CmError("capacity-reached", `This server accepts at most ${maxConnections} connections.`, {
    details: { max: maxConnections },
  });
}

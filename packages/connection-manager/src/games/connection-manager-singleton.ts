import { CmError, isCmError } from "@cm/protocol";
import type { ConnectionManager } from "./connection-manager.js";
import { optionsFromEnvironment } from "./environment-options.js";
import { createConnectionManager } from "./game-connection-manager.js";
import type { ConnectionManagerOptions } from "./game-options.js";

interface Initialization {
  readonly options: ConnectionManagerOptions;
  readonly started: Promise<ConnectionManager>;
  /** Set once the manager has started. */
  manager?: ConnectionManager;
}

let current: Initialization | undefined;

/**
 * Creates and starts this process's single connection manager. If the options contain neither
 * `redisUrl` nor `store`, the address of Redis is read from the environment; see
 * `optionsFromEnvironment`. If the environment has none either, the manager's data is in the memory of
 * this process alone.
 *
 * A further call without options, or with the same ones (each the same value or object), returns the same
 * manager, also while it is starting; with other options it rejects with `already-initialized`. If the start
 * fails, the call rejects as `createConnectionManager` does. After a failed start, and after the manager's
 * shutdown, the next call creates a new manager.
 */
export async function initializeConnectionManager(options?: ConnectionManagerOptions): Promise<ConnectionManager> {
  const previous = current;
  if (previous !== undefined && !isOver(previous)) {
    if (options !== undefined && !isSame(options, previous.options)) {
      throw new CmError("already-initialized", "The connection manager was already initialized with other options.");
    }
    return previous.started;
  }
  const initialization: Initialization = { options: options ?? {}, started: begin(options ?? {}, previous?.manager) };
  current = initialization;
  try {
    initialization.manager = await initialization.started;
    return initialization.manager;
  } catch (error) {
    if (current === initialization) current = undefined;
    throw error;
  }
}

/**
 * Returns this process's connection manager. Throws `not-initialized` if there is none, or it has not
 * started yet.
 */
export function getConnectionManager(): ConnectionManager {
  if (current?.manager !== undefined && !isOver(current)) return current.manager;
  throw new CmError("not-initialized", "initializeConnectionManager() comes first.");
}

async function begin(options: ConnectionManagerOptions, previous?: ConnectionManager): Promise<ConnectionManager> {
  // Shut the previous manager down first, because the new one may have the same server id.
  await previous?.shutdown();
  const hasStore = options.redisUrl !== undefined || options.store !== undefined;
  if (hasStore) return createConnectionManager(options);
  const found = optionsFromEnvironment(process.env);
  try {
    return await createConnectionManager({ ...options, ...found });
  } catch (error) {
    throw found.redisUrl === undefined ? error : namingTheVariable(error);
  }
}

/**
 * Returns the error. If it is about `redisUrl`, replaces that name by the name of the environment variable that the
 * value came from, because the caller did not set `redisUrl`.
 */
function namingTheVariable(error: unknown): unknown {
  if (!isCmError(error) || error.code !== "options-invalid" || error.details?.field !== "redisUrl") return error;
  const field = process.env.REDIS_URL?.trim() ? "REDIS_URL" : "REDIS_HOST";
  const message = error.message.replace(/^(?:redisUrl|The Redis URL)/, field);
  return new CmError("options-invalid", message, { cause: error.cause, details: { ...error.details, field } });
}

function isOver({ manager }: Initialization): boolean {
  return manager?.isShutDown === true;
}

function isSame(a: ConnectionManagerOptions, b: ConnectionManagerOptions): boolean {
  // The keys of options are names of options.
  const fields = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof ConnectionManagerOptions>;
  return [...fields].every((field) => Object.is(a[field], b[field]));
}

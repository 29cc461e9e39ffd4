import { CmError, isCmError } from "@cm/protocol";
import type { ConnectionManager } from "./connection-manager.js";
import { optionsFromEnvironment } from "./environment.js";
import { createConnectionManager } from "./game-manager.js";
import type { ConnectionManagerOptions } from "./options.js";

interface Initialization {
  readonly options: ConnectionManagerOptions;
  readonly started: Promise<ConnectionManager>;
  /** Present once it has started. */
  manager?: ConnectionManager;
}

let current: Initialization | undefined;

/**
 * Makes and starts this process's one connection manager, and returns it ever after. Where
 * the options name neither `redisUrl` nor `store`, the environment says where Redis is; see
 * `optionsFromEnvironment`. Without either, the manager is alone in this process.
 *
 * Called again without options, or with the same ones (each the same value or object), it
 * returns the same manager, also while that is starting; with others it fails with
 * `already-initialized`. Otherwise it fails as `createConnectionManager`, and may be
 * called again then, as after the manager's shutdown.
 */
export async function initializeConnectionManager(options?: ConnectionManagerOptions): Promise<ConnectionManager> {
  const previous = current;
  if (previous !== undefined && !isOver(previous)) {
    if (options !== undefined && !isSame(options, previous.options)) {
      throw new CmError("already-initialized", "The connection manager was initialized already, with other options.");
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

/** This process's connection manager; `not-initialized` where it has none, or it has not started yet. */
export function getConnectionManager(): ConnectionManager {
  if (current?.manager !== undefined && !isOver(current)) return current.manager;
  throw new CmError("not-initialized", "initializeConnectionManager() comes first.");
}

async function begin(options: ConnectionManagerOptions, previous?: ConnectionManager): Promise<ConnectionManager> {
  // It may have the same server id.
  await previous?.shutdown();
  const isPlaced = options.redisUrl !== undefined || options.store !== undefined;
  if (isPlaced) return createConnectionManager(options);
  const found = optionsFromEnvironment(process.env);
  try {
    return await createConnectionManager({ ...options, ...found });
  } catch (error) {
    throw found.redisUrl === undefined ? error : namingTheVariable(error);
  }
}

/** The caller wrote no redisUrl: a refusal of it is one of the variables. */
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
  const fields = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof ConnectionManagerOptions>; // Of options only.
  return [...fields].every((field) => Object.is(a[field], b[field]));
}

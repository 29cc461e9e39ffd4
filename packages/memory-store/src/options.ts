import { CmError, type OnError } from "@cm/protocol";
import { createMemoryHub, type MemoryHub, type MemoryWorld, worldOf } from "./memory-hub.js";

/** What {@link createMemoryStore} may be told. */
export interface MemoryStoreOptions {
  /** Where the data lies. Default: a hub of the store's own, which no other store sees. */
  readonly hub?: MemoryHub;
  /** Stores on one hub share their data where this is the same. Not empty. Default `cm`. */
  readonly namespace?: string;
  /**
   * The clock of the store's own hub; see `MemoryHubOptions`. Not together with `hub`,
   * which has its clock already.
   */
  readonly now?: () => number;
  /**
   * Takes what a bus handler throws, with the stage `handler`. Other handlers get the
   * message all the same. Default: a process warning.
   */
  readonly onError?: OnError;
}

/** {@link MemoryStoreOptions}, complete and checked. */
export interface ResolvedMemoryStoreOptions {
  readonly world: MemoryWorld;
  readonly onError: OnError;
}

/** Checks the options and fills in what is missing. Throws `options-invalid`. */
export function resolveMemoryStoreOptions(options: MemoryStoreOptions): ResolvedMemoryStoreOptions {
  const { hub, namespace = "cm", now, onError = (error) => process.emitWarning(error) } = options;
  if (typeof namespace !== "string" || namespace.length === 0) throw invalid("namespace", "a non-empty string");
  if (now !== undefined && typeof now !== "function") throw invalid("now", "a function");
  if (typeof onError !== "function") throw invalid("onError", "a function");
  if (hub !== undefined && now !== undefined) throw invalid("now", "left out where a hub is given");
  const world = worldOf(hub === undefined ? createMemoryHub(now === undefined ? {} : { now }) : hub, namespace);
  if (world === undefined) throw invalid("hub", "a hub made by createMemoryHub");
  return { world, onError };
}

function invalid(field: string, expected: string): CmError {
  return new CmError("options-invalid", `${field} must be ${expected}.`, { details: { field } });
}

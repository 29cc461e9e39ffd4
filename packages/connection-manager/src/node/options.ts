import { createMemoryStore } from "@cm/memory-store";
import {
  CmError,
  type ConnectionIdSource,
  createConnectionIdSource,
  isServerId,
  type Lease,
  type LocalDelivery,
  type OnError,
  randomBase36,
  type Store,
} from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import type { ControlHandler, Gap, QuestionHandler, ServerMessageHandler } from "@cm/router";

/** Where a manager keeps what servers share. At most one of `store` and `redisUrl`. */
export interface StoreChoice {
  /**
   * A store that the application made and has started; it is not closed here. It serves
   * this manager alone: a store's bus has one subscription a channel.
   */
  readonly store?: Store | undefined;
  /** See `createRedisStore`. Without it and without a store: the memory of this process. */
  readonly redisUrl?: string | undefined;
  /** In front of every key and channel in Redis. Default `cm`. */
  readonly prefix?: string | undefined;
  /** Time to live of connections that nobody renews. Default 3,600,000; 1,000 to a day. */
  readonly connectionTtlMs?: number | undefined;
  /** Time to live of a room's record without activity. Default 7,200,000; 1,000 or more. */
  readonly roomRecordTtlMs?: number | undefined;
}

/** What a {@link ManagerNode} needs. Ranges are those of the parts that it hands them to. */
export interface ManagerNodeOptions extends StoreChoice {
  /** See `isServerId`. Default: `server-` and 12 random characters. */
  readonly serverId?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Connections that the ids are laid out for; see `createConnectionIdSource`. Default 10,000. */
  readonly capacity?: number | undefined;
  readonly heartbeatIntervalMs?: number | undefined;
  readonly leaseTtlMs?: number | undefined;
  readonly offlineGraceMs?: number | undefined;
  readonly staleConnectionTimeoutMs?: number | undefined;
  readonly cleanupIntervalMs?: number | undefined;
  readonly maxMetadataBytes?: number | undefined;
  /** The sockets, or handlers, of this process. */
  readonly local: LocalDelivery;
  readonly onControl?: ControlHandler | undefined;
  readonly onQuestion?: QuestionHandler | undefined;
  readonly onServerMessage?: ServerMessageHandler | undefined;
  readonly onGap?: ((gap: Gap) => void) | undefined;
  readonly lastSeenOf?: ((connectionId: string) => number | undefined) | undefined;
  readonly onStale?: ((connectionId: string) => void) | undefined;
  readonly onRestored?: ((lease: Lease) => Promise<void>) | undefined;
  /** Another process took this server's id, and the node is shutting down. Must not throw. */
  readonly onExpelled?: (() => void) | undefined;
  /** Failures that no caller is waiting for. Default: a process warning each. */
  readonly onError?: OnError | undefined;
}

/** What a node is made of. */
export interface NodeParts {
  readonly ids: ConnectionIdSource;
  readonly store: Store;
  /** Whether the node made the store, and so starts and closes it. */
  readonly ownsStore: boolean;
  readonly onError: OnError;
}

/** Chooses the store and draws the ids. Throws `options-invalid`. */
export function resolveNodeParts(options: ManagerNodeOptions): NodeParts {
  const { serverId = `server-${randomBase36(12)}`, onError = (error) => process.emitWarning(error) } = options;
  if (!isServerId(serverId)) throw invalid("serverId", "1 to 64 characters of A-Z, a-z, 0-9, _ and -");
  if (typeof onError !== "function") throw invalid("onError", "a function");
  if (options.store !== undefined && options.redisUrl !== undefined) {
    throw invalid("redisUrl", "left out where a store is given");
  }
  return {
    ids: createConnectionIdSource({ serverId, ...definedOnly({ capacity: options.capacity }) }),
    store: options.store ?? makeStore(options, onError),
    ownsStore: options.store === undefined,
    onError,
  };
}

function makeStore({ redisUrl, prefix, connectionTtlMs, roomRecordTtlMs }: StoreChoice, onError: OnError): Store {
  if (redisUrl === undefined)
    return createMemoryStore({ onError, ...definedOnly({ namespace: prefix, roomRecordTtlMs }) });
  return createRedisStore({ url: redisUrl, onError, ...definedOnly({ prefix, connectionTtlMs, roomRecordTtlMs }) });
}

/** An option that can't be used. */
export function invalid(field: string, expected: string): CmError {
  return new CmError("options-invalid", `${field} must be ${expected}.`, { details: { field } });
}

/** Without what is `undefined`: what was not definedOnly is for the default of whoever takes it. */
export function definedOnly<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  // Only what is not undefined is left, which is what the type says.
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

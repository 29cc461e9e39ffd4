import {
  type Channel,
  type CmError,
  holderName,
  isCmError,
  type LapsedServer,
  type Lease,
  type ReapClaim,
  type ReapTarget,
  type RegistrySnapshot,
  type Renewal,
  readHolder,
  type ServerCounters,
  type ServerIncarnation,
  type ServerInfo,
  type ServerRegistration,
  type ServerRegistry,
  type ServerUpkeep,
  type SilenceVerdict,
  type SnapshotOptions,
  type WatchReport,
} from "@cm/protocol";
import {
  EXPIRED_SERVERS_MAX,
  leaseLost,
  requireDuration,
  SILENT_SERVERS_MAX,
  serverIdExpired,
  serverIdTaken,
} from "@cm/protocol/store";
import { awaitAll } from "@cm/protocol/turns";
import type { Commands } from "../commands/redis-commands.js";
import { corrupt, FOREIGN, isRetryable } from "../errors/store-error.js";
import { SIGNS_TTL_MS, serverTtlMs } from "../keys/key-lifetimes.js";
import type { Keys } from "../keys/key-names.js";
import { toStrings } from "../scripts/script-definition.js";
import {
  channelListeners,
  type ServerKeys,
  serverAcquire,
  serverClaim,
  serverExpire,
  serverRenew,
  serversSnapshot,
  serverUnregister,
  serverWatch,
} from "./server-scripts.js";

const INFO_FIELDS = [
  "incarnation",
  "token",
  "host",
  "port",
  "partitionBits",
  "startedAt",
  "lastHeartbeat",
  "expiresAt",
  "connections",
  "rooms",
] as const;

/** The values for a server whose record does not exist or was not read. */
const EMPTY_INFO: Omit<ServerInfo, "serverId"> = {
  incarnation: "",
  host: "",
  port: 0,
  partitionBits: 0,
  connections: 0,
  rooms: 0,
  token: 0,
  startedAt: 0,
  lastHeartbeat: 0,
  expiresAtMs: 0,
};

/** Dependencies and settings of the registry. */
export interface RedisServerRegistryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly connectionTtlMs: number;
  /** Whether servers subscribe to sharded channels, as they do in a Cluster. */
  readonly isSharded: boolean;
  /** Whether this store itself subscribes to a channel. */
  readonly hears: (channel: Channel) => boolean;
  /** Stores the layout again if Redis has lost it. Rejects with `layout-mismatch`. */
  readonly ensureLayout: () => Promise<void>;
}

/** Stores leases as members of one sorted set, whose expiry is checked against Redis's clock. */
export class RedisServerRegistry implements ServerRegistry, ServerUpkeep {
  readonly #parts: RedisServerRegistryParts;
  /** The layout mismatch that was last observed; `undefined` if the layout is correct. */
  #fault: CmError | undefined;
  #isLooking = false;
  /**
   * Server ids of the last snapshot, and the lapsed ones among them: the next snapshot reads their records.
   */
  #known: ReadonlySet<string> = new Set();
  #lapsed: ReadonlySet<string> = new Set();
  /** Holders of the leases acquired through this store: one, except in tests. */
  readonly #taken = new Set<string>();

  constructor(parts: RedisServerRegistryParts) {
    this.#parts = parts;
  }

  async acquire(registration: ServerRegistration, ttlMs: number): Promise<Lease> {
    requireDuration(ttlMs, "ttlMs");
    await this.#parts.ensureLayout();
    const { serverId, incarnation } = registration;
    const holder = holderName(registration);
    const acquired = await this.#parts.commands.runOfLease(serverAcquire, {
      ...this.#keysOf(serverId),
      registration,
      ttlMs: Math.ceil(ttlMs),
      keepMs: serverTtlMs({ connectionTtlMs: this.#parts.connectionTtlMs, leaseTtlMs: ttlMs }),
      isReturning: this.#taken.has(holder),
    });
    if (acquired.taken)
      throw acquired.expired ? serverIdExpired(serverId) : serverIdTaken(serverId, acquired.heldUntilMs);
    this.#checkReaped(acquired);
    this.#taken.add(holder);
    const { token, expiresAtMs, wasReaped } = acquired;
    return { serverId, incarnation, token, expiresAtMs, ttlMs, wasReaped };
  }

  async renew(lease: Lease, counters: ServerCounters): Promise<Renewal> {
    const renewing = this.#parts.commands.runOfLease(serverRenew, {
      ...this.#keysOf(lease.serverId),
      holder: holderName(lease),
      token: lease.token,
      ttlMs: Math.ceil(lease.ttlMs),
      counters,
      keepMs: serverTtlMs({ connectionTtlMs: this.#parts.connectionTtlMs, leaseTtlMs: lease.ttlMs }),
      expiredMax: EXPIRED_SERVERS_MAX,
    });
    // Sent in the same write, and not awaited: in a Cluster, the layout may be stored on another node, on
    // which the lease must not depend.
    this.#lookAtLayout();
    const renewed = await renewing;
    if (renewed === undefined) throw leaseLost(lease);
    this.#checkReaped(renewed);
    const [expired, unregistered] = [renewed.expired, renewed.unregistered].map((holders) => [
      ...new Set(holders.map(serverIdOf)),
    ]);
    return {
      lease: { ...lease, expiresAtMs: renewed.expiresAtMs },
      expired: expired ?? [],
      unregistered: unregistered ?? [],
      fault: this.#fault,
    };
  }

  async unregister(right: Lease | ReapClaim): Promise<void> {
    const { commands, connectionTtlMs } = this.#parts;
    // Only leases have a token.
    const isOwn = "token" in right;
    const input = {
      ...this.#keysOf(right.serverId),
      right,
      // Remember a dead holder as reaped for as long as the data that it wrote would have lived: it may return
      // until then.
      keepMs: connectionTtlMs,
    };
    if (isOwn) {
      await commands.runOfLease(serverUnregister, input);
      this.#taken.delete(holderName(right));
    } else this.#checkReaped(await commands.run(serverUnregister, input));
  }

  /**
   * Reads the list of servers, and in the same round trip the records of the servers that the last snapshot listed.
   * Repeats this while the list contains a server whose record was needed but not read.
   */
  async snapshot({ idsOnly = false }: SnapshotOptions = {}): Promise<RegistrySnapshot> {
    const { commands, keys } = this.#parts;
    const { leases, recentlyGone } = keys;
    for (;;) {
      const reads = [...(idsOnly ? this.#lapsed : this.#known)].map((serverId) => this.#record(serverId));
      const [registry, infos] = await Promise.all([
        commands.run(serversSnapshot, { leases, recentlyGone }),
        awaitAll(reads, isRetryable),
      ]);
      const records = new Map(infos.map((info) => [info.serverId, info]));
      this.#known = new Set(registry.servers.map(({ serverId }) => serverId));
      this.#lapsed = new Set(registry.servers.flatMap(({ serverId, lives }) => (lives ? [] : [serverId])));
      if (registry.servers.some(({ serverId, lives }) => !(idsOnly && lives) && !records.has(serverId))) continue;
      if (registry.isRecentlyGoneForeign) commands.reportCorrupt(corrupt([recentlyGone], FOREIGN));
      const living: ServerInfo[] = [];
      const lapsed: LapsedServer[] = [];
      for (const { serverId, incarnation, lives } of registry.servers) {
        const info = records.get(serverId);
        const isRegistered = info?.incarnation === incarnation;
        if (lives && idsOnly) living.push({ ...EMPTY_INFO, serverId, incarnation });
        else if (lives && isRegistered) living.push(info);
        else lapsed.push({ serverId, incarnation, isRegistered });
      }
      return { living, lapsed, recentlyGone: registry.recentlyGone, knownForMs: registry.knownForMs };
    }
  }

  async claim(
    { serverId, incarnation }: ReapTarget,
    claimant: string,
    claimMs: number,
  ): Promise<ReapClaim | undefined> {
    requireDuration(claimMs, "claimMs");
    const claimed = await this.#parts.commands.run(serverClaim, {
      ...this.#keysOf(serverId),
      serverId,
      orphan: incarnation ?? "",
      claimant,
      claimMs: Math.ceil(claimMs),
      keepMs: this.#parts.connectionTtlMs,
    });
    return claimed && { serverId, ...claimed, isOrphan: incarnation !== undefined };
  }

  /**
   * Stores the layout again if it was lost while servers are running: otherwise, the next server that starts
   * might store another layout.
   */
  #lookAtLayout(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#parts
      .ensureLayout()
      .then(() => {
        this.#fault = undefined;
      })
      .catch((error: unknown) => {
        if (!isCmError(error)) return;
        if (error.code === "layout-mismatch") this.#fault = error;
        if (error.code === "store-corrupt") this.#parts.commands.reportCorrupt(error);
        // If Redis cannot be reached now, the next heartbeat tries again.
      })
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async watch(lease: Lease, silentForMs: number): Promise<WatchReport> {
    const { silent, ...report } = await this.#parts.commands.runOfLease(serverWatch, {
      ...this.#keysOf(lease.serverId),
      holder: holderName(lease),
      token: lease.token,
      silentForMs: Math.ceil(silentForMs),
      silentMax: SILENT_SERVERS_MAX,
      keepMs: SIGNS_TTL_MS,
    });
    return { ...report, silent: silent.map(readHolder) };
  }

  async expire(server: ServerIncarnation, silentForMs: number): Promise<SilenceVerdict> {
    const { commands, keys, isSharded, hears } = this.#parts;
    const { serverId, incarnation } = server;
    const channel: Channel = { kind: "server", name: serverId };
    const listeners = await commands.run(channelListeners, { channel: keys.channel(channel), isSharded });
    // A process that starts under the id of a dead server has already subscribed to that server's channel, so this
    // store's own subscription does not count.
    if (listeners > (hears(channel) ? 1 : 0)) return "alive";
    return commands.run(serverExpire, {
      ...this.#keysOf(serverId),
      holder: holderName(server),
      incarnation,
      silentForMs: Math.ceil(silentForMs),
    });
  }

  /** A server's record. Without an incarnation if there is no record, or if the key holds another type. */
  async #record(serverId: string): Promise<ServerInfo> {
    const { keys, commands } = this.#parts;
    const reply = await commands.send("hmget", [keys.server(serverId), ...INFO_FIELDS]).catch((error: unknown) => {
      if (isCmError(error) && error.code === "store-corrupt") return undefined;
      throw error;
    });
    if (!Array.isArray(reply) || reply[0] === null) return { ...EMPTY_INFO, serverId };
    const [incarnation = "", token, host = "", port, partitionBits, startedAt, lastHeartbeat, expiresAt, ...counters] =
      toStrings(reply);
    return {
      serverId,
      incarnation,
      host,
      port: Number(port),
      partitionBits: Number(partitionBits),
      connections: Number(counters[0]),
      rooms: Number(counters[1]),
      token: Number(token),
      startedAt: Number(startedAt),
      lastHeartbeat: Number(lastHeartbeat),
      expiresAtMs: Number(expiresAt),
    };
  }

  /**
   * Reports a key of another type to the operator. Leases work without the key, but servers cannot learn that
   * they were cleaned up.
   */
  #checkReaped({ isReapedForeign }: { readonly isReapedForeign: boolean }): void {
    const { commands, keys } = this.#parts;
    if (isReapedForeign) commands.reportCorrupt(corrupt([keys.reaped], FOREIGN));
  }

  #keysOf(serverId: string): ServerKeys {
    const { keys } = this.#parts;
    const { leases, reaped, orphans, recentlyGone, signs } = keys;
    return { leases, server: keys.server(serverId), reaped, orphans, recentlyGone, signs };
  }
}

function serverIdOf(holder: string): string {
  return readHolder(holder).serverId;
}

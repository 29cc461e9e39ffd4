import {
  CmError,
  type Lease,
  type ReapClaim,
  type Renewal,
  type ServerCensus,
  type ServerCounters,
  type ServerInfo,
  type ServerReaping,
  type ServerRegistration,
  type ServerRegistry,
} from "@cm/protocol";
import { allOf, type Commands } from "./commands.js";
import { requireDuration } from "./duration.js";
import type { Keys } from "./keys.js";
import { holderOf, leaseLost } from "./lease-fence.js";
import type { Living } from "./living.js";
import { toStrings } from "./script.js";
import {
  type ServerKeys,
  serverAcquire,
  serverBury,
  serverClaim,
  serverRelease,
  serverRenew,
  serversCensus,
} from "./server-scripts.js";

/** The most dead servers that one renewal names; see the contract of `Renewal`. */
const EXPIRED_MAX = 100;

const INFO_FIELDS = [
  "incarnation",
  "token",
  "host",
  "port",
  "shelfBits",
  "startedAt",
  "lastHeartbeat",
  "expiresAt",
  "connections",
  "rooms",
] as const;

/** What the registry needs. */
export interface RedisServerRegistryParts {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly living: Living;
  readonly connectionTtlMs: number;
  /** Fails with `layout-mismatch`; writes the layout down where Redis has lost it. */
  readonly ensureLayout: () => Promise<void>;
}

/** Leases as members of one sorted set, judged by Redis's clock. */
export class RedisServerRegistry implements ServerRegistry, ServerReaping {
  readonly #parts: RedisServerRegistryParts;
  /** The leases that were taken here: one, in all but tests. */
  readonly #taken = new Set<string>();

  constructor(parts: RedisServerRegistryParts) {
    this.#parts = parts;
  }

  async acquire(registration: ServerRegistration, ttlMs: number): Promise<Lease> {
    requireDuration(ttlMs, "ttlMs");
    await this.#parts.ensureLayout();
    const { serverId, incarnation } = registration;
    const holder = holderOf(registration);
    const acquired = await this.#parts.commands.runOfLease(serverAcquire, {
      ...this.#keysOf(serverId),
      registration,
      ttlMs: Math.ceil(ttlMs),
      keepMs: this.#keepMs(ttlMs),
      isReturning: this.#taken.has(holder),
    });
    if (acquired.taken) throw idTaken(serverId, acquired.expired);
    this.#taken.add(holder);
    const { token, expiresAtMs, wasReaped } = acquired;
    return { serverId, incarnation, token, expiresAtMs, ttlMs, wasReaped };
  }

  async renew(lease: Lease, counters: ServerCounters): Promise<Renewal> {
    const renewed = await this.#parts.commands.runOfLease(serverRenew, {
      ...this.#keysOf(lease.serverId),
      holder: holderOf(lease),
      token: lease.token,
      ttlMs: Math.ceil(lease.ttlMs),
      counters,
      keepMs: this.#keepMs(lease.ttlMs),
      expiredMax: EXPIRED_MAX,
    });
    if (renewed === undefined) throw leaseLost(lease);
    const [expired, buried] = [renewed.expired, renewed.buried].map((holders) => [...new Set(holders.map(serverIdOf))]);
    return { lease: { ...lease, expiresAtMs: renewed.expiresAtMs }, expired: expired ?? [], buried: buried ?? [] };
  }

  async release(lease: Lease): Promise<void> {
    const keys = this.#keysOf(lease.serverId);
    await this.#parts.commands.runOfLease(serverRelease, { ...keys, holder: holderOf(lease), token: lease.token });
    this.#taken.delete(holderOf(lease));
  }

  async list(): Promise<ServerInfo[]> {
    const holders = await this.#parts.living.all();
    const infos = await allOf(holders.map((holder) => this.#info(holder)));
    return infos.filter((info) => info !== undefined);
  }

  async census(): Promise<ServerCensus> {
    const { commands, keys } = this.#parts;
    const { leases, departures: departuresKey } = keys;
    const { holders, departures, knownForMs } = await commands.run(serversCensus, {
      leases,
      departures: departuresKey,
    });
    return {
      present: [...new Set(holders.map(serverIdOf))],
      departures: departures.map(({ holder, agoMs }) => ({ serverId: serverIdOf(holder), agoMs })),
      knownForMs,
    };
  }

  async claim(serverId: string, claimant: string, claimMs: number): Promise<ReapClaim | undefined> {
    requireDuration(claimMs, "claimMs");
    const claimed = await this.#parts.commands.run(serverClaim, {
      ...this.#keysOf(serverId),
      serverId,
      claimant,
      claimMs: Math.ceil(claimMs),
    });
    return claimed && { serverId, ...claimed };
  }

  async bury(claim: ReapClaim): Promise<void> {
    const { serverId, incarnation, expiresAtMs } = claim;
    await this.#parts.commands.run(serverBury, {
      ...this.#keysOf(serverId),
      serverId,
      incarnation,
      claimExpiresAtMs: expiresAtMs,
      // Who held it may come back for as long as what it wrote would have lived.
      keepMs: this.#parts.connectionTtlMs,
    });
  }

  /** `undefined` where the server went between the list of ids and this. */
  async #info(holder: string): Promise<ServerInfo | undefined> {
    const { keys, commands } = this.#parts;
    const serverId = serverIdOf(holder);
    const reply = await commands.send("hmget", [keys.server(serverId), ...INFO_FIELDS]);
    if (!Array.isArray(reply) || reply[0] === null) return undefined;
    const [incarnation = "", token, host = "", port, shelfBits, startedAt, lastHeartbeat, expiresAt, ...counters] =
      toStrings(reply);
    if (`${serverId}.${incarnation}` !== holder) return undefined;
    return {
      serverId,
      incarnation,
      host,
      port: Number(port),
      shelfBits: Number(shelfBits),
      connections: Number(counters[0]),
      rooms: Number(counters[1]),
      token: Number(token),
      startedAt: Number(startedAt),
      lastHeartbeat: Number(lastHeartbeat),
      expiresAtMs: Number(expiresAt),
    };
  }

  #keysOf(serverId: string): ServerKeys {
    const { keys } = this.#parts;
    return { leases: keys.leases, server: keys.server(serverId), reaped: keys.reaped, departures: keys.departures };
  }

  /** Records outlive their lease by far: a dead server's says how to clean up after it. */
  #keepMs(ttlMs: number): number {
    return Math.ceil(Math.max(this.#parts.connectionTtlMs, 10 * ttlMs));
  }
}

function serverIdOf(holder: string): string {
  return holder.slice(0, holder.indexOf("."));
}

function idTaken(serverId: string, expired: boolean): CmError {
  const why = expired ? "belongs to a dead server that is not cleaned up yet" : "is held by another living server";
  return new CmError("server-id-taken", `The server id ${serverId} ${why}.`, { details: { serverId, expired } });
}

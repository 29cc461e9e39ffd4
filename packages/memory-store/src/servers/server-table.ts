import {
  holderName,
  type LapsedServer,
  type Lease,
  type ReapClaim,
  type ReapTarget,
  type RegistrySnapshot,
  type Renewal,
  type ServerCounters,
  type ServerIncarnation,
  type ServerInfo,
  type ServerRegistration,
  type SilenceVerdict,
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
import { OrphanClaims } from "./orphan-claims.js";
import { ReapedServers } from "./reaped-servers.js";
import { RecentlyGone } from "./recently-gone.js";

/**
 * One incarnation of a server, for as long as it is registered. A server's data refers to this object, so that
 * one comparison decides whether a member or a record counts. After its removal from the registry, the object
 * never counts as alive again; an incarnation that returns gets a new one.
 */
export interface Incarnation extends ServerIncarnation {
  expiresAtMs: number;
}

interface Row extends Incarnation {
  registration: ServerRegistration;
  counters: ServerCounters;
  token: number;
  startedAt: number;
  lastHeartbeat: number;
  claim: { readonly claimant: string; readonly expiresAtMs: number } | undefined;
  /** When the server last gave a sign of life; `undefined` if it never did. */
  lastSign: number | undefined;
}

/** The incarnations of owners, without duplicates. */
export function distinctHolders(owners: Iterable<Incarnation>): ServerIncarnation[] {
  const names = new Map([...new Set(owners)].map((owner) => [holderName(owner), owner]));
  return [...names.values()].map(incarnationOf);
}

/** The registered servers, their leases, and the claims to clean up after dead ones. */
export class ServerTable {
  readonly #now: () => number;
  readonly #rows = new Map<string, Row>();
  readonly #reaped: ReapedServers;
  readonly #orphanClaims: OrphanClaims;
  readonly #recentlyGone: RecentlyGone;
  #lastToken = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.#reaped = new ReapedServers(now);
    this.#orphanClaims = new OrphanClaims(now);
    this.#recentlyGone = new RecentlyGone(now);
  }

  acquire(registration: ServerRegistration, ttlMs: number): Lease {
    const { serverId, incarnation } = registration;
    requireDuration(ttlMs, "ttlMs");
    const now = this.#now();
    let row = this.#rows.get(serverId);
    if (row !== undefined) {
      const expired = row.expiresAtMs <= now;
      // While another server cleans up, the same incarnation has to wait as well.
      const claimed = expired && row.claim !== undefined && row.claim.expiresAtMs > now;
      if (row.incarnation !== incarnation || claimed) {
        throw expired ? serverIdExpired(serverId) : serverIdTaken(serverId, row.expiresAtMs);
      }
    }
    if (this.#orphanClaims.runs(registration)) throw serverIdExpired(serverId);
    const token = ++this.#lastToken;
    const wasOrphan = this.#orphanClaims.take(registration);
    // An expired claim counts as well, because removals made under it may have been announced.
    const wasReaped = this.#reaped.take(registration) || wasOrphan || row?.claim !== undefined;
    this.#recentlyGone.takeBack(registration);
    const expiresAtMs = now + ttlMs;
    const kept = { ...registration };
    if (row === undefined) {
      const counters = { connections: 0, rooms: 0 };
      row = {
        serverId,
        incarnation,
        registration: kept,
        counters,
        token,
        startedAt: now,
        lastHeartbeat: now,
        expiresAtMs,
        claim: undefined,
        lastSign: undefined,
      };
      this.#rows.set(serverId, row);
    } else {
      Object.assign(row, {
        registration: kept,
        token,
        lastHeartbeat: now,
        expiresAtMs,
        claim: undefined,
        lastSign: undefined,
      });
    }
    return { serverId, incarnation, token, expiresAtMs, ttlMs, wasReaped };
  }

  renew(lease: Lease, counters: ServerCounters): Renewal {
    const row = this.#require(lease);
    const now = this.#now();
    const unregistered = this.#reaped.since(row.lastHeartbeat, EXPIRED_SERVERS_MAX);
    row.counters = { connections: counters.connections, rooms: counters.rooms };
    row.lastHeartbeat = now;
    row.expiresAtMs = now + lease.ttlMs;
    const expired: string[] = [];
    for (const { serverId, expiresAtMs } of this.#rows.values()) {
      if (expired.length < EXPIRED_SERVERS_MAX && expiresAtMs <= now) expired.push(serverId);
    }
    return { lease: { ...lease, expiresAtMs: row.expiresAtMs }, expired, unregistered };
  }

  unregister(right: Lease | ReapClaim): void {
    const isOwn = isLease(right);
    const row = isOwn ? this.#held(right) : this.#claimed(right);
    if (row === undefined) return;
    if (!isOwn) this.#reaped.add(row);
    this.#forget(row);
  }

  snapshot(): RegistrySnapshot {
    const living: ServerInfo[] = [];
    const lapsed: LapsedServer[] = [];
    for (const row of this.#rows.values()) {
      const { token, startedAt, lastHeartbeat, expiresAtMs } = row;
      if (this.lives(row)) {
        living.push({ ...row.registration, ...row.counters, token, startedAt, lastHeartbeat, expiresAtMs });
      } else {
        lapsed.push({ ...incarnationOf(row), isRegistered: true });
      }
    }
    return { living, lapsed, ...this.#recentlyGone.known() };
  }

  watch(lease: Lease, silentForMs: number): WatchReport {
    const row = this.#held(lease);
    if (row === undefined) return { isHeld: false, speaking: 0, silent: [] };
    const now = this.#now();
    row.lastSign = now;
    const signed = [...this.#rows.values()].filter((each) => this.lives(each) && each.lastSign !== undefined);
    const silent = signed.filter(({ lastSign = now }) => lastSign <= now - silentForMs);
    const speaking = signed.length - silent.length;
    return { isHeld: true, speaking, silent: silent.slice(0, SILENT_SERVERS_MAX).map(incarnationOf) };
  }

  /**
   * Ends the lease of a server that has sent no sign of life for `silentForMs`. Must be called only if
   * nothing subscribes to the server's channel.
   */
  expire({ serverId, incarnation }: ServerIncarnation, silentForMs: number): SilenceVerdict {
    const row = this.living(serverId, incarnation) === undefined ? undefined : this.#rows.get(serverId);
    if (row === undefined) return "expired";
    if (row.lastSign === undefined) return "alive";
    if (row.lastSign > this.#now() - silentForMs) return "recent";
    row.expiresAtMs = this.#now();
    return "expired";
  }

  claim({ serverId, incarnation }: ReapTarget, claimant: string, claimMs: number): ReapClaim | undefined {
    requireDuration(claimMs, "claimMs");
    if (incarnation !== undefined) return this.#claimOrphan({ serverId, incarnation }, claimMs);
    const now = this.#now();
    const row = this.#rows.get(serverId);
    if (row === undefined || row.expiresAtMs > now) return undefined;
    const held = row.claim !== undefined && row.claim.expiresAtMs > now ? row.claim : undefined;
    if (held !== undefined && held.claimant !== claimant) return undefined;
    // Never shorten the claim: the claimant may still act on the expiry that was returned to it before.
    const expiresAtMs = Math.max(now + claimMs, held?.expiresAtMs ?? 0);
    row.claim = { claimant, expiresAtMs };
    return { ...incarnationOf(row), isOrphan: false, partitionBits: row.registration.partitionBits, expiresAtMs };
  }

  /**
   * Returns the incarnation that holds this lease. Throws `lease-lost` if the lease is not valid, or if this
   * `Lease` object has expired although a later renewal returned another one. A store that is spread over
   * machines can check a write only against the object that it gets, and this store is as strict.
   */
  holder(lease: Lease): Incarnation {
    if (lease.expiresAtMs <= this.#now()) throw leaseLost(lease);
    return this.#require(lease);
  }

  /** The dead server of a claim; `undefined` if the claim is no longer valid. */
  claimed(claim: ReapClaim): Incarnation | undefined {
    return this.#claimed(claim);
  }

  /**
   * Returns a function that tells whether a claim permits to remove the members and connections of an owner;
   * `undefined` if the claim is no longer valid.
   */
  evicted(claim: ReapClaim): ((owner: Incarnation) => boolean) | undefined {
    const isHeld = claim.isOrphan
      ? claim.expiresAtMs > this.#now() && this.#orphanClaims.runs(claim) && !this.#isKnown(claim)
      : this.#claimed(claim) !== undefined;
    if (!isHeld) return undefined;
    return (owner) => isSame(owner, claim) && !this.lives(owner);
  }

  /**
   * Returns a function that tells whether a lease or a claim permits to read the data of an owner. Throws
   * `lease-lost` for a lease that is not valid.
   */
  seen(right: Lease | ReapClaim): (owner: Incarnation) => boolean {
    if (!isLease(right)) return this.evicted(right) ?? (() => false);
    const holder = this.holder(right);
    return (owner) => owner === holder;
  }

  /** The incarnation if it is registered and alive; otherwise `undefined`. */
  living(serverId: string, incarnation: string): Incarnation | undefined {
    const row = this.#rows.get(serverId);
    return row !== undefined && row.incarnation === incarnation && this.lives(row) ? row : undefined;
  }

  lives(holder: Incarnation): boolean {
    return holder.expiresAtMs > this.#now();
  }

  #held(lease: Lease): Row | undefined {
    const row = this.#rows.get(lease.serverId);
    return row !== undefined && row.token === lease.token && this.lives(row) ? row : undefined;
  }

  #require(lease: Lease): Row {
    const row = this.#held(lease);
    if (row === undefined) throw leaseLost(lease);
    return row;
  }

  #claimed(claim: ReapClaim): Row | undefined {
    const row = this.#rows.get(claim.serverId);
    const now = this.#now();
    // Another claimant gets a claim on a server only after the previous claim has expired, so a claim that has
    // not expired is the current one.
    const held =
      row?.incarnation === claim.incarnation &&
      row.expiresAtMs <= now &&
      row.claim !== undefined &&
      claim.expiresAtMs > now;
    return held ? row : undefined;
  }

  #claimOrphan(holder: ServerIncarnation, claimMs: number): ReapClaim | undefined {
    if (this.#isKnown(holder)) return undefined;
    return { ...holder, isOrphan: true, partitionBits: 0, expiresAtMs: this.#orphanClaims.add(holder, claimMs) };
  }

  #isKnown(holder: ServerIncarnation): boolean {
    return this.#rows.get(holder.serverId)?.incarnation === holder.incarnation;
  }

  #forget(row: Row): void {
    this.#rows.delete(row.serverId);
    this.#recentlyGone.add(row);
    row.expiresAtMs = Number.NEGATIVE_INFINITY;
  }
}

function incarnationOf({ serverId, incarnation }: ServerIncarnation): ServerIncarnation {
  return { serverId, incarnation };
}

/** Only leases have a token. */
function isLease(right: Lease | ReapClaim): right is Lease {
  return "token" in right;
}

function isSame(left: ServerIncarnation, right: ServerIncarnation): boolean {
  return left.serverId === right.serverId && left.incarnation === right.incarnation;
}

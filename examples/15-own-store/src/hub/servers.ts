import type {
  Lease,
  ReapClaim,
  ReapTarget,
  RegistrySnapshot,
  Renewal,
  ServerCounters,
  ServerIncarnation,
  ServerRegistration,
  SilenceVerdict,
  WatchReport,
} from "@cm/protocol";
import {
  EXPIRED_SERVERS_MAX,
  leaseLost,
  requireDuration,
  SILENT_SERVERS_MAX,
  serverIdExpired,
  serverIdTaken,
} from "@cm/protocol/store";
import { RecentlyGone } from "./recently-gone.js";

/**
 * Time in milliseconds, and maximum number of servers, for which the hub remembers that others cleaned up after
 * them.
 */
const REAPED_MS = 3_600_000;
const REAPED_MAX = 1_000;

/** Maximum number of orphans whose claims are kept. */
const ORPHANS_MAX = 1_000;

interface Row {
  registration: ServerRegistration;
  counters: ServerCounters;
  token: number;
  readonly startedAt: number;
  lastHeartbeat: number;
  expiresAtMs: number;
  claim: { readonly claimant: string; readonly untilMs: number } | undefined;
  /** Time of the server's last sign of life; `undefined` if it never sent one. */
  signAt: number | undefined;
}

/**
 * The servers' leases, and the claims on dead servers. The entries of a server are kept under its name,
 * `<serverId>.<incarnation>`.
 */
export class Servers {
  readonly #now: () => number;
  readonly #rows = new Map<string, Row>();
  /** Times at which others cleaned up after servers, by name, the latest last. */
  readonly #reaped = new Map<string, number>();
  /** Times until which others may remove the entries of orphans, by name. */
  readonly #orphans = new Map<string, number>();
  readonly #recentlyGone: RecentlyGone;
  #lastToken = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.#recentlyGone = new RecentlyGone(now);
  }

  acquire(registration: ServerRegistration, ttlMs: number): Lease {
    requireDuration(ttlMs, "ttlMs");
    const { serverId, incarnation } = registration;
    const name = nameOf(registration);
    const now = this.#now();
    const row = this.#rows.get(serverId);
    if (row !== undefined) {
      const isOther = row.registration.incarnation !== incarnation;
      if (row.expiresAtMs > now) {
        if (isOther) throw serverIdTaken(serverId, row.expiresAtMs);
      } else if (isOther || (row.claim?.untilMs ?? 0) > now) throw serverIdExpired(serverId);
    }
    if ((this.#orphans.get(name) ?? 0) > now) throw serverIdExpired(serverId);
    // An expired claim counts too, because what was removed under it was announced.
    const marks = [this.#orphans.delete(name), this.#takeReaped(name), row?.claim !== undefined];
    this.#recentlyGone.takeBack(name);
    this.#lastToken += 1;
    this.#rows.set(serverId, {
      registration,
      counters: row?.counters ?? { connections: 0, rooms: 0 },
      token: this.#lastToken,
      startedAt: row?.startedAt ?? now,
      lastHeartbeat: now,
      expiresAtMs: now + ttlMs,
      claim: undefined,
      signAt: undefined,
    });
    const wasReaped = marks.includes(true);
    return { serverId, incarnation, token: this.#lastToken, expiresAtMs: now + ttlMs, ttlMs, wasReaped };
  }

  renew(lease: Lease, counters: ServerCounters): Renewal {
    const row = this.#held(lease);
    if (row === undefined) throw leaseLost(lease);
    const now = this.#now();
    const since = row.lastHeartbeat;
    row.counters = counters;
    row.lastHeartbeat = now;
    row.expiresAtMs = now + lease.ttlMs;
    const dead = [...this.#rows.values()].filter(({ expiresAtMs }) => expiresAtMs <= now);
    const unregistered = [...this.#reaped].filter(([, atMs]) => atMs >= since).map(([name]) => serverOf(name));
    return {
      lease: { ...lease, expiresAtMs: row.expiresAtMs },
      expired: dead.slice(0, EXPIRED_SERVERS_MAX).map(({ registration }) => registration.serverId),
      unregistered: [...new Set(unregistered)].slice(-EXPIRED_SERVERS_MAX),
    };
  }

  unregister(right: Lease | ReapClaim): void {
    const row = this.#rows.get(right.serverId);
    const isOwn = "token" in right; // Only leases have a token.
    if (row === undefined || !(isOwn ? this.#held(right) === row : this.#isClaimed(right))) return;
    if (!isOwn) this.#addReaped(nameOf(right));
    this.#forget(row);
  }

  snapshot(): RegistrySnapshot {
    const lapsed = [...this.#rows.values()].filter(({ expiresAtMs }) => expiresAtMs <= this.#now());
    return {
      living: this.#living().map(({ registration, counters, token, startedAt, lastHeartbeat, expiresAtMs }) => {
        return { ...registration, ...counters, token, startedAt, lastHeartbeat, expiresAtMs };
      }),
      // Always registered, because a hub that lost a registration would have lost everything.
      lapsed: lapsed.map(({ registration }) => ({ ...incarnationOf(registration), isRegistered: true })),
      ...this.#recentlyGone.known(),
    };
  }

  claim({ serverId, incarnation }: ReapTarget, claimant: string, claimMs: number): ReapClaim | undefined {
    requireDuration(claimMs, "claimMs");
    return incarnation === undefined
      ? this.#claimDead(serverId, claimant, claimMs)
      : this.#claimOrphan({ serverId, incarnation }, claimMs);
  }

  #claimDead(serverId: string, claimant: string, claimMs: number): ReapClaim | undefined {
    const now = this.#now();
    const row = this.#rows.get(serverId);
    if (row === undefined || row.expiresAtMs > now) return undefined;
    const held = row.claim !== undefined && row.claim.untilMs > now ? row.claim : undefined;
    if (held !== undefined && held.claimant !== claimant) return undefined;
    const untilMs = Math.max(now + claimMs, held?.untilMs ?? 0);
    row.claim = { claimant, untilMs };
    const { incarnation, partitionBits } = row.registration;
    return { serverId, incarnation, isOrphan: false, partitionBits, expiresAtMs: untilMs };
  }

  #claimOrphan(holder: ServerIncarnation, claimMs: number): ReapClaim | undefined {
    if (this.#isKnown(holder)) return undefined;
    const name = nameOf(holder);
    const untilMs = Math.max(this.#now() + claimMs, this.#orphans.get(name) ?? 0);
    this.#orphans.delete(name);
    this.#orphans.set(name, untilMs);
    const [oldest] = this.#orphans.keys();
    if (this.#orphans.size > ORPHANS_MAX && oldest !== undefined) this.#orphans.delete(oldest);
    return { ...incarnationOf(holder), isOrphan: true, partitionBits: 0, expiresAtMs: untilMs };
  }

  watch(lease: Lease, silentForMs: number): WatchReport {
    const row = this.#held(lease);
    if (row === undefined) return { isHeld: false, speaking: 0, silent: [] };
    const now = this.#now();
    row.signAt = now;
    const signed = this.#living().filter(({ signAt }) => signAt !== undefined);
    const silent = signed.filter(({ signAt = now }) => signAt <= now - silentForMs);
    return {
      isHeld: true,
      speaking: signed.length - silent.length,
      silent: silent.slice(0, SILENT_SERVERS_MAX).map(({ registration }) => incarnationOf(registration)),
    };
  }

  /** Ends the lease of a silent server to whose channel no store subscribes. */
  expire(server: ServerIncarnation, silentForMs: number): SilenceVerdict {
    const row = this.lives(nameOf(server)) ? this.#rows.get(server.serverId) : undefined;
    if (row === undefined) return "expired";
    if (row.signAt === undefined) return "alive";
    if (row.signAt > this.#now() - silentForMs) return "recent";
    row.expiresAtMs = this.#now();
    return "expired";
  }

  /** Returns the name under which a lease writes. Throws `lease-lost` if the lease is not valid. */
  owner(lease: Lease): string {
    if (this.#held(lease) === undefined) throw leaseLost(lease);
    return nameOf(lease);
  }

  /**
   * Returns the name of the server whose entries a lease or a claim lets its holder see and remove; `undefined` if
   * the claim is not valid. Throws `lease-lost` if the lease is not valid.
   */
  ownerBy(right: Lease | ReapClaim): string | undefined {
    // Only leases have a token.
    if ("token" in right) return this.owner(right);
    const isOrphan =
      !this.#isKnown(right) && right.expiresAtMs > this.#now() && (this.#orphans.get(nameOf(right)) ?? 0) > this.#now();
    return isOrphan || this.#isClaimed(right) ? nameOf(right) : undefined;
  }

  lives(owner: string): boolean {
    const row = this.#rows.get(serverOf(owner));
    return row !== undefined && row.expiresAtMs > this.#now() && nameOf(row.registration) === owner;
  }

  #living(): Row[] {
    return [...this.#rows.values()].filter(({ expiresAtMs }) => expiresAtMs > this.#now());
  }

  #held(lease: Lease): Row | undefined {
    const row = this.#rows.get(lease.serverId);
    return row?.token === lease.token && row.expiresAtMs > this.#now() ? row : undefined;
  }

  #isKnown(server: ServerIncarnation): boolean {
    return this.#rows.get(server.serverId)?.registration.incarnation === server.incarnation;
  }

  /** Only one claim on a dead server is valid at a time, so a claim that has not expired is that one. */
  #isClaimed(claim: ReapClaim): boolean {
    const row = this.#rows.get(claim.serverId);
    const now = this.#now();
    return this.#isKnown(claim) && row?.claim !== undefined && row.expiresAtMs <= now && claim.expiresAtMs > now;
  }

  #addReaped(name: string): void {
    this.#reaped.delete(name);
    this.#reaped.set(name, this.#now());
    for (const [old, atMs] of this.#reaped) {
      if (this.#reaped.size <= REAPED_MAX && atMs > this.#now() - REAPED_MS) break;
      this.#reaped.delete(old);
    }
  }

  #takeReaped(name: string): boolean {
    const atMs = this.#reaped.get(name);
    this.#reaped.delete(name);
    return atMs !== undefined && atMs > this.#now() - REAPED_MS;
  }

  #forget({ registration }: Row): void {
    this.#rows.delete(registration.serverId);
    this.#recentlyGone.add(nameOf(registration), registration.serverId);
  }
}

/** Returns the name under which a server's entries are kept. */
export function nameOf({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}

/** Returns the servers that have these names, each once. */
export function incarnationsOf(names: Iterable<string>): ServerIncarnation[] {
  return [...new Set(names)].map((name) => ({
    serverId: serverOf(name),
    incarnation: name.slice(serverOf(name).length + 1),
  }));
}

/** Server ids have no dot. */
function serverOf(name: string): string {
  return name.slice(0, name.indexOf("."));
}

function incarnationOf({ serverId, incarnation }: ServerIncarnation): ServerIncarnation {
  return { serverId, incarnation };
}

import {
  CmError,
  type Lease,
  type ReapClaim,
  type ReapTarget,
  type RegistrySnapshot,
  type Renewal,
  type ServerCounters,
  type ServerIncarnation,
  type ServerRegistration,
  type SilenceVerdict,
  type WatchReport,
} from "@cm/protocol";
import { Departures } from "./departures.js";

/** The most servers that an answer names; see the contracts of `Renewal` and `WatchReport`. */
const NAMED_MAX = 100;

/** For how long, and of how many, it is known that others have cleaned up after them. */
const REAPED_MS = 3_600_000;
const REAPED_MAX = 1_000;

/** The most orphans on which claims are kept. */
const ORPHANS_MAX = 1_000;

interface Row {
  registration: ServerRegistration;
  counters: ServerCounters;
  token: number;
  readonly startedAt: number;
  lastHeartbeat: number;
  expiresAtMs: number;
  claim: { readonly claimant: string; readonly untilMs: number } | undefined;
  /** When it last gave a sign of life; `undefined` where it never did. */
  signAt: number | undefined;
}

/**
 * Who is alive, and who cleans up after whom. What a server has put is kept under its name,
 * `<serverId>.<incarnation>`.
 */
export class Servers {
  readonly #now: () => number;
  readonly #rows = new Map<string, Row>();
  /** When others have cleaned up after servers, by name, the latest last. */
  readonly #reaped = new Map<string, number>();
  /** Until when others may remove what unknown servers have left, by name. */
  readonly #orphans = new Map<string, number>();
  readonly #departures: Departures;
  #lastToken = 0;

  constructor(now: () => number) {
    this.#now = now;
    this.#departures = new Departures(now);
  }

  acquire(registration: ServerRegistration, ttlMs: number): Lease {
    requireDuration("ttlMs", ttlMs);
    const { serverId, incarnation } = registration;
    const name = nameOf(registration);
    const now = this.#now();
    const row = this.#rows.get(serverId);
    if (row !== undefined) {
      const isOther = row.registration.incarnation !== incarnation;
      if (row.expiresAtMs > now) {
        if (isOther) throw taken(serverId, row.expiresAtMs);
      } else if (isOther || (row.claim?.untilMs ?? 0) > now) throw expired(serverId);
    }
    if ((this.#orphans.get(name) ?? 0) > now) throw expired(serverId);
    // A claim that has run out counts too: what was done under it was announced.
    const marks = [this.#orphans.delete(name), this.#takeReaped(name), row?.claim !== undefined];
    this.#departures.takeBack(name);
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
    if (row === undefined) throw lost(lease);
    const now = this.#now();
    const since = row.lastHeartbeat;
    row.counters = counters;
    row.lastHeartbeat = now;
    row.expiresAtMs = now + lease.ttlMs;
    const dead = [...this.#rows.values()].filter(({ expiresAtMs }) => expiresAtMs <= now);
    const unregistered = [...this.#reaped].filter(([, atMs]) => atMs >= since).map(([name]) => serverOf(name));
    return {
      lease: { ...lease, expiresAtMs: row.expiresAtMs },
      expired: dead.slice(0, NAMED_MAX).map(({ registration }) => registration.serverId),
      unregistered: [...new Set(unregistered)].slice(-NAMED_MAX),
    };
  }

  release(lease: Lease): void {
    const row = this.#rows.get(lease.serverId);
    if (row?.token === lease.token) this.#forget(row);
  }

  snapshot(): RegistrySnapshot {
    const lapsed = [...this.#rows.values()].filter(({ expiresAtMs }) => expiresAtMs <= this.#now());
    return {
      living: this.#living().map(({ registration, counters, token, startedAt, lastHeartbeat, expiresAtMs }) => {
        return { ...registration, ...counters, token, startedAt, lastHeartbeat, expiresAtMs };
      }),
      // A hub that loses a registration has lost everything.
      lapsed: lapsed.map(({ registration }) => ({ ...incarnationOf(registration), isRegistered: true })),
      ...this.#departures.known(),
    };
  }

  claim({ serverId, incarnation }: ReapTarget, claimant: string, claimMs: number): ReapClaim | undefined {
    requireDuration("claimMs", claimMs);
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

  unregister(claim: ReapClaim): void {
    const row = this.#rows.get(claim.serverId);
    if (row === undefined || !this.#isClaimed(claim)) return;
    const name = nameOf(claim);
    this.#reaped.delete(name);
    this.#reaped.set(name, this.#now());
    for (const [old, atMs] of this.#reaped) {
      if (this.#reaped.size <= REAPED_MAX && atMs > this.#now() - REAPED_MS) break;
      this.#reaped.delete(old);
    }
    this.#forget(row);
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
      silent: silent.slice(0, NAMED_MAX).map(({ registration }) => incarnationOf(registration)),
    };
  }

  /** Of a server whose channel has no listener. */
  expire(server: ServerIncarnation, silentForMs: number): SilenceVerdict {
    const row = this.lives(nameOf(server)) ? this.#rows.get(server.serverId) : undefined;
    if (row === undefined) return "expired";
    if (row.signAt === undefined) return "alive";
    if (row.signAt > this.#now() - silentForMs) return "recent";
    row.expiresAtMs = this.#now();
    return "expired";
  }

  /** Under which name a lease writes; `lease-lost` where it gives no right to. */
  owner(lease: Lease): string {
    if (this.#held(lease) === undefined) throw lost(lease);
    return nameOf(lease);
  }

  /** Whose things a right lets see and remove: a lease its own server's, a claim a dead or unknown one's, while it holds. */
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

  /** Of all claims that were ever given on a dead server, only the holder's has time left. */
  #isClaimed(claim: ReapClaim): boolean {
    const row = this.#rows.get(claim.serverId);
    const now = this.#now();
    return this.#isKnown(claim) && row?.claim !== undefined && row.expiresAtMs <= now && claim.expiresAtMs > now;
  }

  #takeReaped(name: string): boolean {
    const atMs = this.#reaped.get(name);
    this.#reaped.delete(name);
    return atMs !== undefined && atMs > this.#now() - REAPED_MS;
  }

  #forget({ registration }: Row): void {
    this.#rows.delete(registration.serverId);
    this.#departures.add(nameOf(registration), registration.serverId);
  }
}

/** The name that a server's things are kept under. */
export function nameOf({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}

/** The servers of names, each once. */
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

function requireDuration(field: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new CmError("options-invalid", `${field} must be a positive number of milliseconds.`, { details: { field } });
}

function taken(serverId: string, heldUntilMs: number): CmError {
  return new CmError("server-id-taken", `A live server holds the id ${serverId}.`, {
    details: { serverId, heldUntilMs },
  });
}

function expired(serverId: string): CmError {
  return new CmError(
    "server-id-expired",
    `A dead server held the id ${serverId}, and its data is not cleaned up yet.`,
    {
      details: { serverId },
    },
  );
}

function lost({ serverId }: Lease): CmError {
  return new CmError("lease-lost", `The lease of ${serverId} expired or was acquired again.`, {
    details: { serverId },
  });
}

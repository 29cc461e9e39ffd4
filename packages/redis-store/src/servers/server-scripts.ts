import {
  type Departure,
  type Lease,
  type ReapClaim,
  readHolder,
  type ServerCounters,
  type ServerRegistration,
  type SilenceVerdict,
} from "@cm/protocol";
import { defineScript, toList, toNumber, toStrings } from "../scripts/script-definition.js";

/** The keys of one server. */
export interface ServerKeys {
  readonly leases: string;
  readonly server: string;
  readonly reaped: string;
  readonly orphans: string;
  readonly recentlyGone: string;
  readonly signs: string;
}

/** The result of acquiring a lease. */
export type Acquisition =
  | {
      readonly taken: false;
      readonly token: number;
      readonly expiresAtMs: number;
      readonly wasReaped: boolean;
      /** Whether the key of reaped holders holds another type. */
      readonly isReapedForeign: boolean;
    }
  | {
      readonly taken: true;
      readonly expired: boolean;
      /** When the lease of the present holder expires, in milliseconds of Redis's clock. */
      readonly heldUntilMs: number;
    };

export const layoutEnsure = defineScript(
  "layout-ensure",
  (input: { readonly layout: string; readonly version: number; readonly partitions: number }) => ({
    keys: [input.layout],
    args: [input.version, input.partitions],
  }),
  (reply) => {
    const [version = -1, partitions = -1] = toList(reply).map(Number);
    return { version, partitions };
  },
);

export const serverAcquire = defineScript(
  "server-acquire",
  (
    input: ServerKeys & {
      readonly registration: ServerRegistration;
      readonly ttlMs: number;
      readonly keepMs: number;
      readonly isReturning: boolean;
    },
  ) => {
    const { serverId, incarnation, host, port, partitionBits } = input.registration;
    return {
      keys: [input.leases, input.server, input.reaped, input.orphans, input.recentlyGone],
      args: [serverId, incarnation, host, port, partitionBits, input.ttlMs, input.keepMs, input.isReturning ? 1 : 0],
    };
  },
  (reply): Acquisition => {
    const [acquired, first = 0, expiresAtMs = 0, reaped, foreign] = toList(reply).map(Number);
    return acquired === 1
      ? { taken: false, token: first, expiresAtMs, wasReaped: reaped === 1, isReapedForeign: foreign === 1 }
      : { taken: true, expired: first === 1, heldUntilMs: expiresAtMs };
  },
);

export const serverRenew = defineScript(
  "server-renew",
  (
    input: ServerKeys & {
      readonly holder: string;
      readonly token: number;
      readonly ttlMs: number;
      readonly counters: ServerCounters;
      readonly keepMs: number;
      readonly expiredMax: number;
    },
  ) => ({
    keys: [input.leases, input.server, input.reaped],
    args: [
      input.holder,
      input.token,
      input.ttlMs,
      input.counters.connections,
      input.counters.rooms,
      input.keepMs,
      input.expiredMax,
    ],
  }),
  (reply) => {
    const [expiresAtMs, foreign, dead, ...holders] = toStrings(reply);
    if (expiresAtMs === undefined) return undefined;
    const expired = holders.slice(0, Number(dead));
    return {
      expiresAtMs: Number(expiresAtMs),
      isReapedForeign: foreign === "1",
      expired,
      unregistered: holders.slice(expired.length),
    };
  },
);

/** Claims a dead server, or an orphan if its incarnation is given. */
export const serverClaim = defineScript(
  "server-claim",
  (
    input: ServerKeys & {
      readonly serverId: string;
      readonly orphan: string;
      readonly claimant: string;
      readonly claimMs: number;
      readonly keepMs: number;
    },
  ) => ({
    keys: [input.leases, input.server, input.orphans],
    args: [input.serverId, input.orphan, input.claimant, input.claimMs, input.keepMs],
  }),
  (reply) => {
    const [incarnation, partitionBits, expiresAtMs] = toStrings(reply);
    return incarnation === undefined
      ? undefined
      : { incarnation, partitionBits: Number(partitionBits), expiresAtMs: Number(expiresAtMs) };
  },
);

/** Removes the server of a lease or of a claim. */
export const serverUnregister = defineScript(
  "server-unregister",
  (input: ServerKeys & { readonly right: Lease | ReapClaim; readonly keepMs: number }) => {
    const { serverId, incarnation, expiresAtMs } = input.right;
    return {
      keys: [input.leases, input.server, input.reaped, input.recentlyGone, input.signs],
      args: [serverId, incarnation, "token" in input.right ? input.right.token : "", expiresAtMs, input.keepMs],
    };
  },
  (reply) => ({ isReapedForeign: toNumber(reply) === 2 }),
);

export const serverWatch = defineScript(
  "server-watch",
  (
    input: ServerKeys & {
      readonly holder: string;
      readonly token: number;
      readonly silentForMs: number;
      readonly silentMax: number;
      readonly keepMs: number;
    },
  ) => ({
    keys: [input.leases, input.server, input.signs],
    args: [input.holder, input.token, input.silentForMs, input.silentMax, input.keepMs],
  }),
  (reply) => {
    const [isHeld, speaking = "0", ...silent] = toStrings(reply);
    return { isHeld: isHeld === "1", speaking: Number(speaking), silent };
  },
);

export const serverExpire = defineScript(
  "server-expire",
  (input: ServerKeys & { readonly holder: string; readonly incarnation: string; readonly silentForMs: number }) => ({
    keys: [input.leases, input.server, input.signs],
    args: [input.holder, input.incarnation, input.silentForMs],
  }),
  (reply): SilenceVerdict => (reply === "expired" || reply === "recent" ? reply : "alive"),
);

export const channelListeners = defineScript(
  "channel-listeners",
  (input: { readonly channel: string; readonly isSharded: boolean }) => ({
    keys: [input.channel],
    args: [input.isSharded ? "SHARDNUMSUB" : "NUMSUB"],
  }),
  toNumber,
);

export const serversLiving = defineScript(
  "servers-living",
  (input: { readonly leases: string; readonly holders: readonly string[] }) => ({
    keys: [input.leases],
    args: input.holders,
  }),
  toStrings,
);

export const serversSnapshot = defineScript(
  "servers-snapshot",
  (input: { readonly leases: string; readonly recentlyGone: string }) => ({
    keys: [input.leases, input.recentlyGone],
    args: [],
  }),
  (reply) => {
    const [knownForMs, foreign, count, lapsed, ...rest] = toStrings(reply);
    const holders = rest.slice(0, Number(count));
    const recentlyGone: Departure[] = [];
    for (let i = holders.length; i + 1 < rest.length; i += 2) {
      recentlyGone.push({ serverId: readHolder(rest[i] ?? "").serverId, agoMs: Number(rest[i + 1]) });
    }
    return {
      knownForMs: Number(knownForMs),
      isRecentlyGoneForeign: foreign === "1",
      // A foreign member of the leases' set contains no server id, so it is skipped.
      servers: holders.flatMap((holder, i) =>
        holder.includes(".") ? [{ ...readHolder(holder), lives: i >= Number(lapsed) }] : [],
      ),
      recentlyGone,
    };
  },
);

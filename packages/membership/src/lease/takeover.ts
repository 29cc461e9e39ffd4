import { setTimeout } from "node:timers/promises";
import { isCmError } from "@cm/protocol";
import { LONGEST_DURATION_MS } from "@cm/protocol/options";
import type { MembershipStore } from "../options.js";

/** How long the holder of a server id must be watched before it is taken for dead, in milliseconds. */
const OBSERVATION_MIN_MS = 1_000;

/** Between two looks, in milliseconds. */
const LOOK_MS = 200;

/**
 * Whether the process that holds a server id is dead, and its lease has ended by that. Waits
 * until the holder has been silent for `deadAfterMs`, unless it is alive.
 */
async function isHolderDead(
  { servers, upkeep }: Pick<MembershipStore, "servers" | "upkeep">,
  serverId: string,
  deadAfterMs: number,
): Promise<boolean> {
  const holder = (await servers.snapshot({ idsOnly: true })).living.find((server) => server.serverId === serverId);
  if (holder === undefined) return true;
  const seenAt = performance.now();
  for (;;) {
    const watchedMs = performance.now() - seenAt;
    // Not on its first silence: it may be restoring its subscription, as after a restart of the store.
    const isJudgeable = watchedMs >= Math.min(OBSERVATION_MIN_MS, deadAfterMs);
    const verdict = await upkeep.servers.expire(holder, isJudgeable ? deadAfterMs : LONGEST_DURATION_MS);
    if (verdict === "expired") return true;
    if (verdict === "alive" || watchedMs > deadAfterMs + OBSERVATION_MIN_MS) return false;
    await setTimeout(LOOK_MS);
  }
}

/** Beyond the end of another server's claim, in milliseconds: it may have extended the claim once more. */
const CLAIM_MARGIN_MS = 5_000;

/** What {@link takeLease} needs. */
export interface TakeoverOptions {
  readonly store: Pick<MembershipStore, "servers" | "upkeep">;
  readonly serverId: string;
  /** Silence after which a process counts as dead, in milliseconds; 0: its lease alone decides. */
  readonly deadAfterMs: number;
  /** How long a claim on a dead server lasts, in milliseconds. */
  readonly claimMs: number;
  readonly acquire: () => Promise<void>;
  /** Cleans up after the dead process, unless another server does. */
  readonly reap: () => Promise<unknown>;
  readonly isShutDown: () => boolean;
}

/**
 * Takes the lease of a server id, also from an earlier process that has died. Where another server is cleaning
 * up after that one, it is waited for; where it has died meanwhile, until its claim has run out. Fails as `acquire`.
 */
export async function takeLease(options: TakeoverOptions): Promise<void> {
  const { store, serverId, deadAfterMs, claimMs, acquire, reap, isShutDown } = options;
  const giveUpAt = performance.now() + deadAfterMs + claimMs + CLAIM_MARGIN_MS;
  for (;;) {
    try {
      return await acquire();
    } catch (error) {
      if (!isCmError(error) || isShutDown() || performance.now() > giveUpAt) throw error;
      const isDead =
        error.code === "server-id-taken" && deadAfterMs > 0 && (await isHolderDead(store, serverId, deadAfterMs));
      if (!isDead && error.code !== "server-id-expired") throw error;
    }
    // Nothing is left of it where this server cleaned up itself; else the other one is given a moment.
    if ((await reap()) === undefined) await setTimeout(LOOK_MS);
  }
}

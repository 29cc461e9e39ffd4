import { setTimeout } from "node:timers/promises";
import { isCmError } from "@cm/protocol";
import { LONGEST_DURATION_MS } from "@cm/protocol/options";
import type { MembershipStore } from "../options.js";

/** Minimum time that the holder of a server id is watched before it is presumed dead, in milliseconds. */
const OBSERVATION_MIN_MS = 1_000;

/** Time between two looks at the holder, in milliseconds. */
const LOOK_MS = 200;

/**
 * Resolves with whether the process that holds a server id is dead; if it is, its lease has been ended. Waits
 * until the holder has sent no sign of life for `deadAfterMs`, unless it is found to be alive before. Rejects with the
 * reason of the signal when that is aborted.
 */
async function isHolderDead(
  { servers, upkeep }: Pick<MembershipStore, "servers" | "upkeep">,
  serverId: string,
  deadAfterMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const holder = (await servers.snapshot({ idsOnly: true })).living.find((server) => server.serverId === serverId);
  if (holder === undefined) return true;
  const seenAt = performance.now();
  for (;;) {
    const watchedMs = performance.now() - seenAt;
    // Do not end the lease at the first silence: the holder may be restoring its subscription, for example
    // after a store restart.
    const isJudgeable = watchedMs >= Math.min(OBSERVATION_MIN_MS, deadAfterMs);
    const verdict = await upkeep.servers.expire(holder, isJudgeable ? deadAfterMs : LONGEST_DURATION_MS);
    if (verdict === "expired") return true;
    if (verdict === "alive" || watchedMs > deadAfterMs + OBSERVATION_MIN_MS) return false;
    await pause(signal);
  }
}

/** Waits until the next look at the holder. Rejects with the reason of the signal when that is aborted. */
async function pause(signal: AbortSignal): Promise<void> {
  await setTimeout(LOOK_MS, undefined, { signal }).catch(() => undefined);
  signal.throwIfAborted();
}

/**
 * Extra time to wait after another server's claim should have ended, in milliseconds, because that server may
 * have extended it once more.
 */
const CLAIM_MARGIN_MS = 5_000;

/** Options of {@link takeLease}. */
export interface TakeoverOptions {
  readonly store: Pick<MembershipStore, "servers" | "upkeep">;
  readonly serverId: string;
  /**
   * Time without a sign of life after which a process counts as dead, in milliseconds. 0: only the expiry of
   * the lease decides.
   */
  readonly deadAfterMs: number;
  /** Duration of a claim on a dead server, in milliseconds. */
  readonly claimMs: number;
  readonly acquire: () => Promise<void>;
  /** Cleans up after the dead process, unless another server does. Resolves with `undefined` in the latter case. */
  readonly reap: () => Promise<unknown>;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

/**
 * Acquires the lease of a server id, also if an earlier process with this id has died. If another server is
 * cleaning up after that process, waits for the cleanup; if the cleaning server has died too, waits until its
 * claim has expired. Rejects like `acquire`, or with the reason of the signal if that is aborted before the lease is
 * acquired.
 */
export async function takeLease(options: TakeoverOptions): Promise<void> {
  const { store, serverId, deadAfterMs, claimMs, acquire, reap, signal } = options;
  const giveUpAt = performance.now() + deadAfterMs + claimMs + CLAIM_MARGIN_MS;
  for (;;) {
    try {
      return await acquire();
    } catch (error) {
      signal.throwIfAborted();
      if (!isCmError(error) || performance.now() > giveUpAt) throw error;
      const isDead =
        error.code === "server-id-taken" &&
        deadAfterMs > 0 &&
        (await isHolderDead(store, serverId, deadAfterMs, signal));
      if (!isDead && error.code !== "server-id-expired") throw error;
    }
    // If this server did the cleanup itself, retry at once; otherwise give the other server some time.
    if ((await reap()) === undefined) await pause(signal);
  }
}

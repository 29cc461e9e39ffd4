import { CmError } from "@cm/protocol";
import { optionInvalid, requireFunction, requireWholeNumber } from "@cm/protocol/options";
import { knownMembers } from "../options/option-checks.js";

/**
 * What happens to a member of a room that reads too slowly.
 *
 * - `close`: the member's connection is closed with `slow-consumer` once more than `maxBackpressureBytes` are
 *   queued for it
 * - `drop`: the member misses messages of the room until it has read, then a `gap` reports their number
 * - `latest`: same as `drop`, and the latest message of each key follows the `gap`
 */
export type SlowReaderPolicy = (typeof SLOW_READER_POLICIES)[number];
/** All policies, the default first. */
export const SLOW_READER_POLICIES = ["close", "drop", "latest"] as const;

/** What happens to members that read too slowly, by room. */
export interface SlowReaderOptions {
  /**
   * Returns the policy of a room. Called when a connection enters the room. If it throws, the policy is `close`
   * and the error goes to `onError`.
   */
  readonly policyOf: (room: string) => SlowReaderPolicy;
  /**
   * Number of queued bytes above which a member gets no messages of rooms whose policy is `drop` or `latest`.
   * The member gets messages again once at most half as many bytes are queued. 1,024 to half of
   * `maxBackpressureBytes`; default: a quarter of `maxBackpressureBytes`.
   */
  readonly maxBytes?: number | undefined;
  /**
   * Returns the key of a frame of a `latest` room: a member that is behind only gets the latest frame of each
   * key. Called only while the room has such a member. Default: all frames of a room have the same key.
   */
  readonly keyOf?: ((frame: Uint8Array) => string) | undefined;
}

/** {@link SlowReaderOptions} with the defaults filled in. */
export interface ResolvedSlowReaderOptions {
  readonly policyOf: (room: string) => SlowReaderPolicy;
  readonly maxBytes: number;
  readonly keyOf: (frame: Uint8Array) => string;
}

const ONE_KEY = (): string => "";

/** Fills in the defaults. Returns `undefined` if every room closes slow readers. Throws `options-invalid`. */
export function resolveSlowReaders(
  options: SlowReaderOptions | undefined,
  maxBackpressureBytes: number,
): ResolvedSlowReaderOptions | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== "object") throw optionInvalid("slowReaders", "an object");
  knownMembers("slowReaders", options, ["policyOf", "maxBytes", "keyOf"]);
  const { policyOf, keyOf = ONE_KEY, maxBytes = Math.floor(maxBackpressureBytes / 4) } = options;
  return {
    policyOf: requireFunction("slowReaders.policyOf", policyOf),
    keyOf: requireFunction("slowReaders.keyOf", keyOf),
    maxBytes: requireWholeNumber(
      "slowReaders.maxBytes",
      maxBytes,
      { min: 1_024, max: Math.floor(maxBackpressureBytes / 2) },
      "bytes",
    ),
  };
}

/** Returns the policy that `policyOf` returned, or throws `options-invalid`. */
export function requirePolicy(policy: unknown): SlowReaderPolicy {
  const known = SLOW_READER_POLICIES.find((each) => each === policy);
  if (known !== undefined) return known;
  throw new CmError("options-invalid", `A room's policy for slow readers is "close", "drop" or "latest".`, {
    details: { field: "slowReaders.policyOf" },
  });
}

import { CmError } from "@cm/protocol";
import { invalid, whole } from "../options/option-values.js";

/**
 * What happens to a member of a room that does not read fast enough.
 *
 * - `close`: its connection is closed with `slow-consumer` once `maxBackpressureBytes` wait for it
 * - `drop`: messages of the room are left out for it until it has read, then a `gap` says how many
 * - `latest`: as `drop`, and the latest message of each key follows the `gap`
 */
export type SlowReaderPolicy = (typeof SLOW_READER_POLICIES)[number];
/** Every policy, the default first. */
export const SLOW_READER_POLICIES = ["close", "drop", "latest"] as const;

/** What happens to members of rooms that do not read fast enough. */
export interface SlowReaderOptions {
  /** The policy of a room, asked for when a connection enters it; what it throws counts as `close` and goes to `onError`. */
  readonly policyOf: (room: string) => SlowReaderPolicy;
  /**
   * With more than this waiting, a member gets no messages of rooms whose policy is `drop` or `latest`,
   * until less than half of it waits; in bytes. 1,024 to half of `maxBackpressureBytes`; default a quarter.
   */
  readonly maxBytes?: number | undefined;
  /**
   * What a frame of a `latest` room is about: of those with one key, a member that is behind gets the
   * latest. Called only while the room has such a member. Default: all frames of a room have one key.
   */
  readonly keyOf?: ((frame: Uint8Array) => string) | undefined;
}

/** {@link SlowReaderOptions}, complete. */
export interface ResolvedSlowReaderOptions {
  readonly policyOf: (room: string) => SlowReaderPolicy;
  readonly maxBytes: number;
  readonly keyOf: (frame: Uint8Array) => string;
}

const ONE_KEY = (): string => "";

/** Fills in the defaults; `undefined` where every room closes. Throws `options-invalid`. */
export function resolveSlowReaders(
  options: SlowReaderOptions | undefined,
  maxBackpressureBytes: number,
): ResolvedSlowReaderOptions | undefined {
  if (options === undefined) return undefined;
  if (typeof options !== "object") throw invalid("slowReaders", "must be an object");
  const { policyOf, keyOf = ONE_KEY, maxBytes = Math.floor(maxBackpressureBytes / 4) } = options;
  if (typeof policyOf !== "function") throw invalid("slowReaders.policyOf", "must be a function");
  if (typeof keyOf !== "function") throw invalid("slowReaders.keyOf", "must be a function");
  const most = Math.floor(maxBackpressureBytes / 2);
  return { policyOf, keyOf, maxBytes: whole("slowReaders.maxBytes", maxBytes, 1_024, most) };
}

/** What `policyOf` said, or `options-invalid` thrown. */
export function requirePolicy(policy: unknown): SlowReaderPolicy {
  const known = SLOW_READER_POLICIES.find((each) => each === policy);
  if (known !== undefined) return known;
  throw new CmError("options-invalid", `A room's policy for slow readers is "close", "drop" or "latest".`, {
    details: { field: "slowReaders.policyOf" },
  });
}

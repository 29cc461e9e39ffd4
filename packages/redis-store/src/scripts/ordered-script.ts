import type { Redis } from "ioredis";
import { type Script, type ScriptCall, scriptArguments } from "./script-definition.js";

type Stream = Redis["stream"];
type AnyScript = Pick<Script<never, unknown>, "name" | "sha1" | "lua">;

/** The scripts whose text was sent over a connection. */
const introduced = new WeakMap<Stream, Set<string>>();

/** The commands of {@link orderedScript}. */
export interface OrderedScript {
  readonly first: (redis: Redis) => Promise<unknown>;
  /** Sent if Redis does not know the script; see `CallOptions`. */
  readonly withText: (redis: Redis) => Promise<unknown>;
}

/**
 * Returns the commands that run a script over a connection in the order of the calls. The first call over a
 * connection sends the script's text, later calls its digest, which Redis then knows. Sending the text only after
 * Redis has reported an unknown digest would let later calls overtake this one, if another client makes the script
 * known in between. Replies are in bytes.
 *
 * If Redis no longer knows the script even so (`SCRIPT FLUSH`), `again` is sent with the text, possibly after
 * later calls: the first call was certainly not carried out.
 */
export function orderedScript(script: AnyScript, call: ScriptCall, again: () => ScriptCall): OrderedScript {
  const withText = (redis: Redis, encoded: ScriptCall): Promise<unknown> =>
    redis.callBuffer("eval", script.lua, ...scriptArguments(encoded));
  return {
    first: (redis) =>
      isIntroduced(redis, script)
        ? redis.callBuffer("evalsha", script.sha1, ...scriptArguments(call))
        : withText(redis, call),
    withText: (redis) => withText(redis, again()),
  };
}

/** Whether the script's text was sent over the connection. Marks it as sent. */
function isIntroduced({ stream }: Redis, { name }: AnyScript): boolean {
  const known = introduced.get(stream);
  if (known?.has(name)) return true;
  // There is no stream before the first connection; the command fails then.
  if (stream !== undefined) introduced.set(stream, (known ?? new Set<string>()).add(name));
  return false;
}

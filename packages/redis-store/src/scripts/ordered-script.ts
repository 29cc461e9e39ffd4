import type { Redis } from "ioredis";
import { replyCode } from "../errors/store-error.js";
import { type Script, type ScriptCall, scriptArguments } from "./script.js";

type Stream = Redis["stream"];
type AnyScript = Pick<Script<never, unknown>, "name" | "sha1" | "lua">;

/** Scripts whose text was sent over a connection. */
const introduced = new WeakMap<Stream, Set<string>>();

/**
 * Runs a script over a connection without losing the order of the calls: by its digest
 * once its text went over that connection, so that Redis knows it by then. Sending the
 * text only after Redis said that it does not know it would let later calls pass, which
 * another client may have made it known for. Replies are in bytes.
 *
 * Where Redis has forgotten it all the same (`SCRIPT FLUSH`), `again` is sent with the
 * text, perhaps behind later calls: this one was certainly not carried out.
 */
export async function runInOrder(
  script: AnyScript,
  call: ScriptCall,
  again: () => ScriptCall,
  send: (command: (redis: Redis) => Promise<unknown>) => Promise<unknown>,
): Promise<unknown> {
  try {
    return await send((redis) =>
      isIntroduced(redis, script)
        ? redis.callBuffer("evalsha", script.sha1, ...scriptArguments(call))
        : redis.callBuffer("eval", script.lua, ...scriptArguments(call)),
    );
  } catch (error) {
    if (replyCode(error) !== "NOSCRIPT") throw error;
    return send((redis) => redis.callBuffer("eval", script.lua, ...scriptArguments(again())));
  }
}

/** Whether its text went over the connection; from now on it counts as sent. */
function isIntroduced({ stream }: Redis, { name }: AnyScript): boolean {
  const known = introduced.get(stream);
  if (known?.has(name)) return true;
  // There is no stream before the first connection; the command fails then.
  if (stream !== undefined) introduced.set(stream, (known ?? new Set<string>()).add(name));
  return false;
}

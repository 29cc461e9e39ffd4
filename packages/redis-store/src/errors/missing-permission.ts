import { SCRIPTS } from "../scripts/scripts.generated.js";

/**
 * Redis's error for a command inside a script that the user has no permission to run. Redis up to 7.0 reports
 * it with the code of every other script error, so only the text identifies it; later versions report NOPERM.
 */
const REFUSED_IN_SCRIPT = /^ERR .*(The user executing the script can't|ACL failure in script)/;
const COMMAND_NAMED = /'([a-z|_-]+)' (?:command|subcommand)/i;
/** Redis names a script by its digest, and the line of the rejected command. */
const PLACE_IN_SCRIPT = /\b([0-9a-f]{40}), on @user_script:(\d+)/;
const CALL = /redis\.p?call\(\s*(?:'([A-Z]+)'|publishCommand)/;

/** Whether Redis rejected a script because its user lacks a permission. */
export function isRefusedInScript(error: unknown): boolean {
  return error instanceof Error && REFUSED_IN_SCRIPT.test(error.message);
}

/**
 * The permission that the Redis user lacks: a command such as `zadd`, `keys` or `channels`; `undefined` if
 * the error does not name it.
 */
export function missingPermission(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { message } = error;
  const named = COMMAND_NAMED.exec(message)?.[1];
  if (named !== undefined) return named.toLowerCase();
  if (/\bchannels?\b/.test(message)) return "channels";
  if (/\bkeys?\b/.test(message)) return "keys";
  const [, sha1, line] = PLACE_IN_SCRIPT.exec(message) ?? [];
  return sha1 === undefined ? undefined : commandAt(sha1, Number(line));
}

/** The command that a script of this package calls in the given line. */
function commandAt(sha1: string, line: number): string | undefined {
  const script = Object.values(SCRIPTS).find((each) => each.sha1 === sha1);
  const call = CALL.exec(script?.lua.split("\n")[line - 1] ?? "");
  if (call === null) return undefined;
  return call[1]?.toLowerCase() ?? "publish and spublish";
}

import { SCRIPTS } from "../scripts/scripts.generated.js";

/**
 * What Redis says where rights are missing for a command inside of a script. Up to 7.0 that
 * comes under the code that it gives to every other fault of a script, so that only the text
 * tells; later ones say NOPERM.
 */
const REFUSED_IN_SCRIPT = /^ERR .*(The user executing the script can't|ACL failure in script)/;
const COMMAND_NAMED = /'([a-z|_-]+)' (?:command|subcommand)/i;
/** Redis names a script by its digest, and the line that was refused. */
const PLACE_IN_SCRIPT = /\b([0-9a-f]{40}), on @user_script:(\d+)/;
const CALL = /redis\.p?call\(\s*(?:'([A-Z]+)'|publishCommand)/;

/** Whether Redis refused a script for a right that its user lacks. */
export function isRefusedInScript(error: unknown): boolean {
  return error instanceof Error && REFUSED_IN_SCRIPT.test(error.message);
}

/** What the user of Redis may not: a command such as `zadd`, `keys` or `channels`; `undefined` where Redis does not say. */
export function missingRight(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { message } = error;
  const named = COMMAND_NAMED.exec(message)?.[1];
  if (named !== undefined) return named.toLowerCase();
  if (/\bchannels?\b/.test(message)) return "channels";
  if (/\bkeys?\b/.test(message)) return "keys";
  const [, sha1, line] = PLACE_IN_SCRIPT.exec(message) ?? [];
  return sha1 === undefined ? undefined : commandAt(sha1, Number(line));
}

/** The command that one of our scripts calls in a line. */
function commandAt(sha1: string, line: number): string | undefined {
  const script = Object.values(SCRIPTS).find((each) => each.sha1 === sha1);
  const call = CALL.exec(script?.lua.split("\n")[line - 1] ?? "");
  if (call === null) return undefined;
  return call[1]?.toLowerCase() ?? "publish and spublish";
}

import type { RespReply } from "@cm/test-kit";
import { scriptNamed } from "./script-names.js";

/** An entry of Redis's slow log. */
export interface SlowCommand {
  readonly ms: number;
  /** The command or the script, and the number of its arguments. */
  readonly text: string;
}

/** Returns the longest command of a reply to `SLOWLOG GET`, or `undefined` if the log is empty. */
export async function longestCommand(slowlog: RespReply): Promise<SlowCommand | undefined> {
  let longest: { readonly us: number; readonly args: readonly string[] } | undefined;
  for (const entry of Array.isArray(slowlog) ? slowlog : []) {
    if (!Array.isArray(entry)) continue;
    // An entry has an id, the time, the duration in microseconds, and the command with its arguments.
    const [, , us, args] = entry;
    if (Number(us) > (longest?.us ?? 0))
      longest = { us: Number(us), args: Array.isArray(args) ? args.map(String) : [] };
  }
  return longest === undefined ? undefined : { ms: longest.us / 1_000, text: await describe(longest.args) };
}

async function describe(args: readonly string[]): Promise<string> {
  const [command = "", script = ""] = args;
  // Redis keeps the first 31 arguments, and the number of the others in place of the 32nd.
  const others = /^\.\.\. \((\d+) more arguments\)$/.exec(args.at(-1) ?? "")?.[1];
  const count = args.length - 1 + (others === undefined ? 0 : Number(others) - 1);
  const name = command.toLowerCase() === "evalsha" ? await scriptNamed(script) : undefined;
  return `${name === undefined ? command.toUpperCase() : `script ${name}`} with ${count} arguments`;
}

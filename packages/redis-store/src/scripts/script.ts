import { SCRIPTS, type ScriptName } from "./scripts.generated.js";

/** What a script is called with. */
export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | number | Uint8Array)[];
}

/** What every write of a projection carries: when the right to it runs out, by Redis's clock. */
export interface Fenced {
  readonly fenceMs: number;
}

/** A script that takes `Input` and answers with `Reply`. */
export interface Script<Input, Reply> {
  readonly name: ScriptName;
  readonly sha1: string;
  readonly lua: string;
  encode(input: Input): ScriptCall;
  decode(reply: unknown): Reply;
}

/**
 * Ties a script's text to the types of what goes in and comes out. The order of keys
 * and arguments is written down here and in the script's header, and nowhere else.
 */
export function defineScript<Input, Reply>(
  name: ScriptName,
  encode: (input: Input) => ScriptCall,
  decode: (reply: unknown) => Reply,
): Script<Input, Reply> {
  return { name, ...SCRIPTS[name], encode, decode };
}

/** What follows the script itself: the number of keys, the keys and the arguments. */
export function scriptArguments({ keys, args }: ScriptCall): (string | number | Buffer)[] {
  return [keys.length, ...keys, ...args.map(asArgument)];
}

/** ioredis would turn any other array of bytes into text. */
function asArgument(argument: string | number | Uint8Array): string | number | Buffer {
  if (!(argument instanceof Uint8Array) || Buffer.isBuffer(argument)) return argument;
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
}

/** For scripts that answer with a number. */
export function toNumber(reply: unknown): number {
  return Number(reply);
}

/** For scripts that write under a fence: whether the right to write held. */
export function toWritten(reply: unknown): boolean {
  return Number(reply) === 1;
}

/** For scripts that answer with a list. */
export function toList(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : [];
}

/** For scripts that answer with a list of strings. */
export function toStrings(reply: unknown): string[] {
  return toList(reply).map(String);
}

import { SCRIPTS, type ScriptName } from "./scripts.generated.js";

/** The keys and arguments of a script call. */
export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | number | Uint8Array)[];
}

/**
 * Every write of a projection carries a fence: the time, by Redis's clock, from which the script refuses it.
 */
export interface Fenced {
  readonly fenceMs: number;
}

/** A script that takes `Input` and returns `Reply`. */
export interface Script<Input, Reply> {
  readonly name: ScriptName;
  readonly sha1: string;
  readonly lua: string;
  encode(input: Input): ScriptCall;
  decode(reply: unknown): Reply;
}

/**
 * Connects a script's text to the types of its input and reply. The order of keys and arguments is defined
 * only here and in the script's header.
 */
export function defineScript<Input, Reply>(
  name: ScriptName,
  encode: (input: Input) => ScriptCall,
  decode: (reply: unknown) => Reply,
): Script<Input, Reply> {
  return { name, ...SCRIPTS[name], encode, decode };
}

/** The arguments after the script itself: the number of keys, the keys and the script's arguments. */
export function scriptArguments({ keys, args }: ScriptCall): (string | number | Buffer)[] {
  const all: (string | number | Buffer)[] = [keys.length, ...keys];
  for (const argument of args) all.push(asArgument(argument));
  return all;
}

/** Returns bytes as a `Buffer`, because ioredis would convert any other byte array to text. */
function asArgument(argument: string | number | Uint8Array): string | number | Buffer {
  if (!(argument instanceof Uint8Array) || Buffer.isBuffer(argument)) return argument;
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
}

/** Decodes the reply of a script that returns a number. */
export function toNumber(reply: unknown): number {
  return Number(reply);
}

/** Decodes the reply of a script that writes under a fence. Returns whether the fence had not passed. */
export function toWritten(reply: unknown): boolean {
  return Number(reply) === 1;
}

/**
 * Decodes the reply of a script that writes several parts under a fence: for each part a number, or the error that
 * kept it from being written. `undefined` if the fence had passed.
 */
export function toOutcomes(reply: unknown): (number | Error)[] | undefined {
  if (!Array.isArray(reply)) return undefined;
  return reply.map((outcome: unknown) => (outcome instanceof Error ? outcome : Number(outcome)));
}

/** Decodes the reply of a script that returns a list. */
export function toList(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : [];
}

/** Decodes the reply of a script that returns a list of strings. */
export function toStrings(reply: unknown): string[] {
  return toList(reply).map(String);
}

import { type CmError, isCmError } from "@cm/protocol";
import type { Cluster, Redis } from "ioredis";
import type { PublishCommand } from "../bus/publish-command.js";
import { replyCode, toStoreError } from "../errors/store-error.js";
import { type Script, scriptArguments } from "../scripts/script.js";
import type { CommandGate } from "./command-gate.js";

/** An argument of a command. */
export type CommandArg = string | number | Buffer;

/** How the commands of one store are sent. */
export interface CommandOptions {
  readonly client: Redis | Cluster;
  readonly gate: CommandGate;
  /** Called before each command, to have it share a write with others. */
  readonly beforeSend: () => void;
  /** Hears of data that is not this project's; the caller hears of it too. */
  readonly onCorrupt: (error: CmError) => void;
}

/**
 * The one way to Redis, but for messages in a Cluster. What is sent within one turn of the
 * event loop goes out in one write a connection; nothing waits longer than
 * `commandTimeoutMs`. While there is no connection, commands wait for it; messages don't.
 */
export class Commands {
  readonly #client: Redis | Cluster;
  readonly #gate: CommandGate;
  readonly #beforeSend: () => void;
  readonly #onCorrupt: (error: CmError) => void;

  constructor({ client, gate, beforeSend, onCorrupt }: CommandOptions) {
    this.#client = client;
    this.#gate = gate;
    this.#beforeSend = beforeSend;
    this.#onCorrupt = onCorrupt;
  }

  /** Runs a script by its digest, and sends its text where Redis does not know it. */
  run<Input, Reply>(script: Script<Input, Reply>, input: Input): Promise<Reply> {
    return this.#run(script, input, (name, args) => this.#call(name, args));
  }

  /** As {@link run}, for what a server's lease hangs on: however much else waits, there is room. */
  runOfLease<Input, Reply>(script: Script<Input, Reply>, input: Input): Promise<Reply> {
    return this.#run(script, input, (name, args) => this.#call(name, args, true));
  }

  /** As {@link run}, for a script that answers with bytes: all strings of its reply are Buffers. */
  runForBytes<Input, Reply>(script: Script<Input, Reply>, input: Input): Promise<Reply> {
    return this.#run(script, input, (name, args) =>
      this.#gate.whenOpen(() => {
        this.#beforeSend();
        return this.#client.callBuffer(name, ...args);
      }),
    );
  }

  /**
   * Sends one command whose first argument is its key. Replies are strings, numbers,
   * `null` and lists of them.
   */
  send(name: string, args: readonly CommandArg[]): Promise<unknown> {
    return this.#call(name, args).catch((error) => {
      throw this.#errorOf(error, args.slice(0, 1).map(String));
    });
  }

  /** Sends one command that answers with a number; its first argument is its key. */
  count(name: string, args: readonly CommandArg[]): Promise<number> {
    return this.send(name, args).then(Number);
  }

  /** Sends a message; `unavailable` at once where there is no connection. */
  publish(command: PublishCommand): Promise<number> {
    const answer = this.#gate.now(() => {
      this.#beforeSend();
      return this.#client.sendCommand(command);
    }, command.bytes);
    return answer.then(Number, rethrow);
  }

  /** Tells of data that is not this project's, where no call fails of it. */
  reportCorrupt(error: CmError): void {
    this.#onCorrupt(error);
  }

  #call(name: string, args: readonly CommandArg[], isOfLease = false): Promise<unknown> {
    return this.#gate.whenOpen(() => {
      this.#beforeSend();
      return this.#client.call(name, ...args);
    }, isOfLease);
  }

  async #run<Input, Reply>(
    script: Script<Input, Reply>,
    input: Input,
    call: (name: string, args: readonly CommandArg[]) => Promise<unknown>,
  ): Promise<Reply> {
    const encoded = script.encode(input);
    const rest = scriptArguments(encoded);
    let reply: unknown;
    try {
      reply = await call("evalsha", [script.sha1, ...rest]);
    } catch (error) {
      if (replyCode(error) !== "NOSCRIPT") throw this.#errorOf(error, encoded.keys);
      try {
        reply = await call("eval", [script.lua, ...rest]);
      } catch (cause) {
        throw this.#errorOf(cause, encoded.keys);
      }
    }
    return script.decode(reply);
  }

  #errorOf(cause: unknown, keys: readonly string[]): CmError {
    const error = toStoreError(cause, keys);
    if (error.code === "store-corrupt") this.#onCorrupt(error);
    return error;
  }
}

function rethrow(error: unknown): never {
  throw toStoreError(error);
}

/**
 * Waits for all, and only then throws a failure: nothing goes on unseen. The first one after
 * which the same calls may succeed later, where there is one: it must not hide behind one
 * that stays.
 */
export async function allOf<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(calls);
  const failures: unknown[] = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  if (failures.length > 0) throw failures.find((error) => isCmError(error) && error.retryable) ?? failures[0];
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

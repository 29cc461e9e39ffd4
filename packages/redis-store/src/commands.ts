import type { Cluster, Command, Redis } from "ioredis";
import type { Script } from "./script.js";
import { replyCode, storeClosed, storeTimeout, toStoreError } from "./store-error.js";

/** An argument of a command. */
export type CommandArg = string | number | Buffer;

/** How the commands of one store are sent. */
export interface CommandOptions {
  readonly client: Redis | Cluster;
  /** Called before each command, to have it share a write with others. */
  readonly beforeSend: () => void;
  readonly commandTimeoutMs: number;
  /**
   * Whether each command needs a clock of its own: a Cluster sends again what failed on
   * one node, and a client that somebody else made may wait as long as it was told to.
   * A single connection of ours is watched as a whole, which costs nothing a command.
   */
  readonly timed: boolean;
}

/**
 * The one way to Redis, but for messages in a Cluster. What is sent within one turn of the
 * event loop goes out in one write a connection; nothing waits longer than
 * `commandTimeoutMs`.
 */
export class Commands {
  readonly #client: Redis | Cluster;
  readonly #beforeSend: () => void;
  readonly #commandTimeoutMs: number;
  readonly #timed: boolean;
  #closed = false;

  constructor({ client, beforeSend, commandTimeoutMs, timed }: CommandOptions) {
    this.#client = client;
    this.#beforeSend = beforeSend;
    this.#commandTimeoutMs = commandTimeoutMs;
    this.#timed = timed;
  }

  /** Runs a script by its digest, and sends its text where Redis does not know it. */
  async run<Input, Reply>(script: Script<Input, Reply>, input: Input): Promise<Reply> {
    const { keys, args } = script.encode(input);
    const rest = [keys.length, ...keys, ...args];
    let reply: unknown;
    try {
      reply = await this.#call("evalsha", [script.sha1, ...rest]);
    } catch (error) {
      if (replyCode(error) !== "NOSCRIPT") throw toStoreError(error);
      reply = await this.send("eval", [script.lua, ...rest]);
    }
    return script.decode(reply);
  }

  /** Sends one command. Replies are strings, numbers, `null` and lists of them. */
  send(name: string, args: readonly CommandArg[]): Promise<unknown> {
    return this.#call(name, args).catch(rethrow);
  }

  /** Sends one command that answers with a number. */
  count(name: string, args: readonly CommandArg[]): Promise<number> {
    return this.#call(name, args).then(Number, rethrow);
  }

  /** Sends a command that is made already and answers with a number. */
  countOf(command: Command): Promise<number> {
    if (this.#closed) return Promise.reject(storeClosed());
    this.#beforeSend();
    const answer = Promise.resolve(this.#client.sendCommand(command));
    return (this.#timed ? this.#inTime(answer) : answer).then(Number, rethrow);
  }

  /** From now on every command fails with `closed`. */
  close(): void {
    this.#closed = true;
  }

  #call(name: string, args: readonly CommandArg[]): Promise<unknown> {
    if (this.#closed) return Promise.reject(storeClosed());
    this.#beforeSend();
    const answer = this.#client.call(name, ...args);
    return this.#timed ? this.#inTime(answer) : answer;
  }

  #inTime(answer: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(storeTimeout(this.#commandTimeoutMs)), this.#commandTimeoutMs);
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}

function rethrow(error: unknown): never {
  throw toStoreError(error);
}

/** Waits for all, and only then throws the first failure: nothing goes on unseen. */
export async function allOf<T>(calls: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(calls);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}

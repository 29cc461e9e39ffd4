import type { CmError } from "@cm/protocol";
import type { Cluster, Redis } from "ioredis";
import type { PublishCommand } from "../bus/publish-command.js";
import { toStoreError } from "../errors/store-error.js";
import { type Script, scriptArguments } from "../scripts/script-definition.js";
import type { Ask, PendingCommands } from "./pending-commands.js";

/** An argument of a command. */
export type CommandArg = string | number | Buffer;

/** Dependencies of {@link Commands}. */
export interface CommandOptions {
  readonly client: Redis | Cluster;
  readonly gate: PendingCommands;
  /** Called before each command, so that the command can share a write with others. */
  readonly beforeSend: () => void;
  /**
   * Called if Redis holds data that this project did not write; the call that read the data fails as well.
   */
  readonly onCorrupt: (error: CmError) => void;
}

/**
 * Sends the store's commands to Redis, except publishes in a Cluster and scripts that publish a room's message; see
 * `Publisher`. Commands sent within one turn of the event loop share one write per connection. No command waits
 * longer than `commandTimeoutMs`. Without a connection, commands wait for one, but a publish is rejected with
 * `unavailable` at once.
 */
export class Commands {
  readonly #client: Redis | Cluster;
  readonly #gate: PendingCommands;
  readonly #beforeSend: () => void;
  readonly #onCorrupt: (error: CmError) => void;

  constructor({ client, gate, beforeSend, onCorrupt }: CommandOptions) {
    this.#client = client;
    this.#gate = gate;
    this.#beforeSend = beforeSend;
    this.#onCorrupt = onCorrupt;
  }

  /**
   * Runs a script by its digest, and sends the script's text if Redis does not know the digest. `parts` callers
   * share the call.
   */
  run<Input, Reply>(script: Script<Input, Reply>, input: Input, parts = 1): Promise<Reply> {
    return this.#run(script, input, { parts });
  }

  /** Like {@link run}, for scripts that a server's lease depends on: they have extra capacity. */
  runOfLease<Input, Reply>(script: Script<Input, Reply>, input: Input): Promise<Reply> {
    return this.#run(script, input, { isOfLease: true });
  }

  /** Like {@link run}, for a script that returns bytes: all strings of its reply are Buffers. */
  runForBytes<Input, Reply>(script: Script<Input, Reply>, input: Input): Promise<Reply> {
    return this.#run(script, input, { inBytes: true });
  }

  /**
   * Sends one command whose first argument is its key. Replies are strings, numbers, `null`, and lists of
   * these.
   */
  send(name: string, args: readonly CommandArg[]): Promise<unknown> {
    return this.#gate.whenOpen(this.#ask(name, args)).catch((error) => {
      throw this.#errorOf(error, args.slice(0, 1).map(String));
    });
  }

  /** Sends one command that returns a number. The first argument is its key. */
  count(name: string, args: readonly CommandArg[]): Promise<number> {
    return this.send(name, args).then(Number);
  }

  /**
   * Sends a message that combines the messages of `parts` callers. Rejects with `unavailable` at once if there is no
   * connection.
   */
  publish(command: PublishCommand, parts: number): Promise<number> {
    const send = (): unknown => {
      this.#beforeSend();
      return this.#client.sendCommand(command);
    };
    return this.#gate.now(send, { bytes: command.bytes, parts }).then(Number, rethrow);
  }

  /**
   * Converts an error that a script returned for one of its parts; `keys` are the keys of that part. Reports the
   * error if one of them holds data that this project did not write.
   */
  partFailure(cause: Error, keys: readonly string[]): CmError {
    return this.#errorOf(cause, keys);
  }

  /** Reports data that this project did not write, if no call fails because of it. */
  reportCorrupt(error: CmError): void {
    this.#onCorrupt(error);
  }

  #ask(name: string, args: readonly CommandArg[], inBytes = false): Ask {
    return () => {
      this.#beforeSend();
      return inBytes ? this.#client.callBuffer(name, ...args) : this.#client.call(name, ...args);
    };
  }

  async #run<Input, Reply>(
    script: Script<Input, Reply>,
    input: Input,
    { inBytes = false, ...options }: { isOfLease?: boolean; parts?: number; inBytes?: boolean },
  ): Promise<Reply> {
    const encoded = script.encode(input);
    const rest = scriptArguments(encoded);
    const withText = (): unknown => this.#ask("eval", [script.lua, ...rest], inBytes)();
    let reply: unknown;
    try {
      reply = await this.#gate.whenOpen(this.#ask("evalsha", [script.sha1, ...rest], inBytes), {
        ...options,
        withText,
      });
    } catch (error) {
      throw this.#errorOf(error, encoded.keys);
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

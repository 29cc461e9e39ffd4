import {
  type Bus,
  type Channel,
  type EnvelopePosition,
  encodeControl,
  type MessageKind,
  type OperationOutcome,
  readEnvelopePosition,
  type ServerOperation,
} from "@cm/protocol";
import { Numberings, Outbound } from "./numbering.js";
import { type Answer, PendingAnswers } from "./pending-answers.js";

/** What {@link ServerChannels} needs. */
export interface ServerChannelsOptions {
  readonly serverId: string;
  readonly bus: Bus;
  readonly maxNumberings: number;
  readonly maxPending: number;
}

const NOBODY: readonly string[] = Object.freeze([]);

/** What goes out on other servers' channels: messages, requests and answers, in one numbering each. */
export class ServerChannels {
  readonly pending: PendingAnswers;
  readonly #options: ServerChannelsOptions;
  readonly #outbound: Numberings<Outbound<Channel>>;

  constructor(options: ServerChannelsOptions) {
    this.#options = options;
    this.pending = new PendingAnswers(options.maxPending);
    this.#outbound = new Numberings(options.maxNumberings, (name) => new Outbound({ kind: "server", name }, undefined));
  }

  /** How far this server's numbering of another's channel has come. */
  readonly position = (serverId: string) => this.#outbound.position(serverId);

  /** Resolves with the number of servers that the bus reached, -1 where it does not know. */
  send(serverId: string, kind: MessageKind, target: string, payload: Uint8Array): Promise<number> {
    const outbound = this.#outbound.of(serverId);
    return this.#options.bus.publish(outbound.channel, this.#message(outbound, kind, target, payload));
  }

  /**
   * Asks another server to carry something out. Settles at the deadline at the latest;
   * fails where the request could not be sent, with `pending-limit` where too many wait,
   * or with what {@link encodeControl} throws.
   */
  async ask(serverId: string, operation: ServerOperation, timeoutMs: number): Promise<Answer> {
    // Both before a number is taken: one that is never sent would look like a loss.
    this.pending.requireRoom(1);
    const payload = encodeControl({ type: "request", operation, timeoutMs });
    const outbound = this.#outbound.of(serverId);
    const message = this.#message(outbound, "control", serverId, payload);
    const pending = this.pending.open(serverId, readEnvelopePosition(message), timeoutMs);
    this.#options.bus.publish(outbound.channel, message).then((reached) => {
      if (reached === 0) pending.nobody();
    }, pending.fail);
    return pending.answer;
  }

  /** Answers another server's request. Fails as the bus does. */
  async answer(serverId: string, to: EnvelopePosition, outcome: OperationOutcome): Promise<void> {
    await this.send(serverId, "control", serverId, encodeControl({ type: "answer", to, outcome }));
  }

  #message(outbound: Outbound<Channel>, kind: MessageKind, target: string, payload: Uint8Array): Buffer {
    return outbound.message(payload, { kind, origin: this.#options.serverId, target, except: NOBODY });
  }
}

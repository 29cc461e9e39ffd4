import {
  type Bus,
  type Channel,
  type EnvelopePosition,
  encodeControl,
  type MessageKind,
  type OperationOutcome,
  type Published,
  readEnvelopePosition,
  type ServerOperation,
} from "@cm/protocol";
import { Sequencer, Sequencers } from "../ordering/sequencer.js";
import { NOBODY } from "../payload-checks.js";
import { type Answer, PendingRequests } from "./pending-requests.js";

/** Options of {@link ServerPublisher}. */
export interface ServerPublisherOptions {
  readonly serverId: string;
  readonly bus: Bus;
  readonly maxSequencers: number;
  readonly maxPending: number;
}

/**
 * Publishes on other servers' channels. Requests and responses have their own sequencers, separate from
 * messages: the requester notices a lost request or response by itself, and a lost request must not appear as
 * a gap among the messages.
 */
export class ServerPublisher {
  readonly pending: PendingRequests;
  readonly #options: ServerPublisherOptions;
  readonly #messages: Sequencers<Sequencer<Channel>>;
  readonly #control: Sequencers<Sequencer<Channel>>;

  constructor(options: ServerPublisherOptions) {
    this.#options = options;
    this.pending = new PendingRequests(options.maxPending);
    const createSequencers = (): Sequencers<Sequencer<Channel>> =>
      new Sequencers(options.maxSequencers, (name) => new Sequencer({ kind: "server", name }, undefined));
    this.#messages = createSequencers();
    this.#control = createSequencers();
  }

  /** Returns the position of this server's sequencer for messages to another server. */
  readonly position = (serverId: string) => this.#messages.position(serverId);

  send(
    serverId: string,
    kind: Exclude<MessageKind, "control">,
    target: string,
    payload: Uint8Array,
  ): Promise<Published> {
    const sequencer = this.#messages.of(serverId);
    return this.#options.bus.publish(sequencer.channel, this.#message(sequencer, kind, target, payload));
  }

  /**
   * Sends a request to another server. Settles after `timeoutMs` at the latest. Rejects with `pending-limit` if too
   * many requests wait, with `closed` after the router was closed, with an error of {@link encodeControl}, or with
   * the error of the bus if the request could not be sent.
   */
  async ask(serverId: string, operation: ServerOperation, timeoutMs: number): Promise<Answer> {
    this.pending.requireCapacity(1);
    const payload = encodeControl({ type: "request", operation, timeoutMs });
    const sequencer = this.#control.of(serverId);
    const message = this.#message(sequencer, "control", serverId, payload);
    const pending = this.pending.open(serverId, readEnvelopePosition(message), timeoutMs);
    this.#options.bus.publish(sequencer.channel, message).then(({ subscribers }) => {
      if (subscribers === 0) pending.notDelivered();
    }, pending.fail);
    return pending.answer;
  }

  /** Sends the response to another server's request. Rejects like `Bus.publish`. */
  async answer(serverId: string, to: EnvelopePosition, outcome: OperationOutcome): Promise<void> {
    const sequencer = this.#control.of(serverId);
    const payload = encodeControl({ type: "answer", to, outcome });
    await this.#options.bus.publish(sequencer.channel, this.#message(sequencer, "control", serverId, payload));
  }

  #message(sequencer: Sequencer<Channel>, kind: MessageKind, target: string, payload: Uint8Array): Buffer {
    return sequencer.message(payload, { kind, origin: this.#options.serverId, target, except: NOBODY });
  }
}

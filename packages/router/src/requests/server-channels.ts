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

/** Options of {@link ServerChannels}. */
export interface ServerChannelsOptions {
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
export class ServerChannels {
  readonly pending: PendingRequests;
  readonly #options: ServerChannelsOptions;
  readonly #messages: Sequencers<Sequencer<Channel>>;
  readonly #control: Sequencers<Sequencer<Channel>>;

  constructor(options: ServerChannelsOptions) {
    this.#options = options;
    this.pending = new PendingRequests(options.maxPending);
    const numberings = (): Sequencers<Sequencer<Channel>> =>
      new Sequencers(options.maxSequencers, (name) => new Sequencer({ kind: "server", name }, undefined));
    this.#messages = numberings();
    this.#control = numberings();
  }

  /** Returns the position of this server's sequencer for messages to another server. */
  readonly position = (serverId: string) => this.#messages.position(serverId);

  send(
    serverId: string,
    kind: Exclude<MessageKind, "control">,
    target: string,
    payload: Uint8Array,
  ): Promise<Published> {
    const outbound = this.#messages.of(serverId);
    return this.#options.bus.publish(outbound.channel, this.#message(outbound, kind, target, payload));
  }

  /**
   * Sends a request to another server. Settles after `timeoutMs` at the latest. Rejects with `pending-limit` if too
   * many requests wait, with `closed` after the router was closed, with an error of {@link encodeControl}, or with
   * the error of the bus if the request could not be sent.
   */
  async ask(serverId: string, operation: ServerOperation, timeoutMs: number): Promise<Answer> {
    this.pending.requireRoom(1);
    const payload = encodeControl({ type: "request", operation, timeoutMs });
    const outbound = this.#control.of(serverId);
    const message = this.#message(outbound, "control", serverId, payload);
    const pending = this.pending.open(serverId, readEnvelopePosition(message), timeoutMs);
    this.#options.bus.publish(outbound.channel, message).then(({ subscribers }) => {
      if (subscribers === 0) pending.notDelivered();
    }, pending.fail);
    return pending.answer;
  }

  /** Sends the response to another server's request. Rejects like `Bus.publish`. */
  async answer(serverId: string, to: EnvelopePosition, outcome: OperationOutcome): Promise<void> {
    const outbound = this.#control.of(serverId);
    const payload = encodeControl({ type: "answer", to, outcome });
    await this.#options.bus.publish(outbound.channel, this.#message(outbound, "control", serverId, payload));
  }

  #message(outbound: Sequencer<Channel>, kind: MessageKind, target: string, payload: Uint8Array): Buffer {
    return outbound.message(payload, { kind, origin: this.#options.serverId, target, except: NOBODY });
  }
}

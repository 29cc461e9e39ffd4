import { CmError, type SequencerPosition, type ServerOperation, toCmError } from "@cm/protocol";
import type { ResolvedRouterOptions } from "../options.js";
import { outcomeOf } from "./control-requests.js";
import { IncomingRequests } from "./incoming-requests.js";
import { createOperations } from "./operation-handlers.js";
import type { Answer, PendingRequests } from "./pending-requests.js";
import { type GatheredAnswers, ScatterGather } from "./scatter-gather.js";
import { ServerPublisher } from "./server-publisher.js";

/** Options of {@link ServerRequests}. */
export interface ServerRequestsOptions
  extends Pick<
    ResolvedRouterOptions,
    | "serverId"
    | "bus"
    | "servers"
    | "local"
    | "maxSequencers"
    | "maxPending"
    | "onServerMessage"
    | "onControl"
    | "onQuestion"
    | "onError"
  > {
  /** The position of this server's sequencer for a room. */
  readonly roomPosition: (room: string) => SequencerPosition;
}

/** Sends requests to servers, and answers the requests of other servers. */
export class ServerRequests {
  readonly publisher: ServerPublisher;
  readonly incoming: IncomingRequests;
  /** The requests of this server that wait for a response. */
  readonly pending: PendingRequests;
  readonly #serverId: string;
  readonly #scatterGather: ScatterGather | undefined;
  readonly #onError: ResolvedRouterOptions["onError"];
  #isClosed = false;

  constructor(options: ServerRequestsOptions) {
    const { serverId, bus, servers, maxSequencers, maxPending, onError } = options;
    this.#serverId = serverId;
    this.#onError = onError;
    const publisher = new ServerPublisher({ serverId, bus, maxSequencers, maxPending });
    this.publisher = publisher;
    this.pending = publisher.pending;
    this.incoming = new IncomingRequests({
      carryOut: createOperations({ ...options, serverPosition: publisher.position }),
      answer: (asker, to, outcome) => publisher.answer(asker, to, outcome),
      max: maxPending,
      onFault: (cause, stage) => this.#onFault(cause, stage),
    });
    this.#scatterGather =
      servers &&
      new ScatterGather({
        servers,
        serverId,
        requireCapacity: (count) => this.pending.requireCapacity(count),
        ask: (id, operation, timeoutMs) => this.send(id, operation, timeoutMs),
      });
  }

  /** Sends a request to any server; a request to this server does not use the bus. */
  send(serverId: string, operation: ServerOperation, timeoutMs: number): Promise<Answer> {
    return serverId === this.#serverId
      ? this.incoming.run(operation, serverId, timeoutMs)
      : this.publisher.ask(serverId, operation, timeoutMs);
  }

  /** Sends a message to another server as a request, and waits for the outcome. */
  async confirm(
    serverId: string,
    operation: ServerOperation,
    confirmMs: number,
  ): Promise<"delivered" | "not-found" | "timeout"> {
    const answer = await this.publisher.ask(serverId, operation, confirmMs);
    const outcome = outcomeOf(answer, serverId);
    return outcome === "done" ? "delivered" : outcome;
  }

  /** See `Router.ask`. */
  async askCluster(question: Uint8Array, timeoutMs: number): Promise<GatheredAnswers> {
    if (this.#scatterGather === undefined) {
      throw new CmError("options-invalid", "A question to the cluster needs a store with `servers`.");
    }
    return this.#scatterGather.ask(question, timeoutMs);
  }

  /** Rejects the requests that wait for a response. */
  close(): void {
    this.#isClosed = true;
    this.pending.close();
  }

  #onFault(cause: unknown, stage: "handler" | "bus"): void {
    // After `close` the bus may be closed too, so a response that cannot be sent is no failure.
    if (this.#isClosed && stage === "bus") return;
    this.#onError(toCmError(cause, "internal", "A request could not be answered."), { stage });
  }
}

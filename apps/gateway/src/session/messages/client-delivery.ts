import type { LocalDelivery } from "@cm/protocol";
import type { TransportServer } from "@cm/transport";
import type { RecordedMetrics } from "../../admin/recorded-metrics.js";
import type { FanOutBudget } from "../../limits/fan-out-budget.js";
import type { SessionHolder } from "../session-handler.js";
import { PacedDeliveries } from "./paced-deliveries.js";

/** Options of {@link ClientDelivery}. */
export interface ClientDeliveryOptions {
  /** Returns the server that the clients are connected to. */
  readonly server: () => TransportServer<SessionHolder>;
  readonly fanOut: FanOutBudget;
  readonly recorded: RecordedMetrics;
}

/** Delivers the router's messages to the clients of this server, and measures their numbers of receivers. */
export class ClientDelivery implements LocalDelivery {
  readonly #options: ClientDeliveryOptions;
  readonly #pacedDeliveries: PacedDeliveries;

  constructor(options: ClientDeliveryOptions) {
    this.#options = options;
    this.#pacedDeliveries = new PacedDeliveries((count) => options.fanOut.delivering(count));
  }

  toRoom(room: string, frame: Uint8Array, except: readonly string[]): void {
    const { fanOut, recorded } = this.#options;
    const server = this.#options.server();
    const members = server.membersOf(room);
    recorded.receivers.room.record(members);
    if (fanOut.isLimited) fanOut.delivering(members);
    server.toRoom(room, frame, except);
  }

  toConnection(id: string, frame: Uint8Array): boolean {
    // Deliver through the session, which keeps direct messages until the connection is registered: the socket
    // is open earlier than that.
    return this.#options.server().connection(id)?.data.session?.deliver(frame) ?? false;
  }

  toUser(userId: string, frame: Uint8Array): number {
    const connections = this.#options.server().connectionsOf(userId);
    this.#options.recorded.receivers.user.record(connections.length);
    const sessions = connections.flatMap(({ data }) => (data.session === undefined ? [] : [data.session]));
    return this.#pacedDeliveries.deliver(sessions, frame);
  }

  /** Drops the messages to users that still wait. Called when all connections are closed. */
  close(): void {
    this.#pacedDeliveries.close();
  }
}

import { connectionIdsOf, type Store } from "@cm/protocol";
import type { TransportServer } from "@cm/transport";
import { AudienceSizes } from "./audience-sizes.js";
import type { FanOutAccount, FanOutBudget } from "./fan-out-budget.js";

/** Options of {@link AudienceCharges}. */
export interface AudienceChargesOptions {
  /** Returns the server that the clients are connected to. */
  readonly server: () => Pick<TransportServer, "membersOf" | "countOf">;
  readonly store: Pick<Store, "rooms" | "users">;
  readonly fanOut: Pick<FanOutBudget, "isLimited">;
  /** Milliseconds on a monotonic clock. */
  readonly monotonicMs: () => number;
}

/** Charges messages to their senders by the number of their receivers, unless nothing limits that number. */
export class AudienceCharges {
  readonly #options: AudienceChargesOptions;
  readonly #rooms: AudienceSizes;
  readonly #users: AudienceSizes;

  constructor(options: AudienceChargesOptions) {
    const { store, monotonicMs } = options;
    this.#options = options;
    this.#rooms = new AudienceSizes((room) => store.rooms.count(room), monotonicMs);
    this.#users = new AudienceSizes(async (user) => (await connectionIdsOf(store.users, user)).length, monotonicMs);
  }

  /** Charges a message to a room for its receivers. Throws `rate-limited`. */
  chargeRoom(account: FanOutAccount, room: string): void {
    const { fanOut, server } = this.#options;
    if (fanOut.isLimited) this.#rooms.charge(account, room, server().membersOf(room));
  }

  /** Charges a message to a user for its receivers, at least `atLeast` of them. Throws `rate-limited`. */
  chargeUser(account: FanOutAccount, userId: string, atLeast: number): void {
    const { fanOut, server } = this.#options;
    if (fanOut.isLimited) this.#users.charge(account, userId, Math.max(atLeast, server().countOf(userId)));
  }
}

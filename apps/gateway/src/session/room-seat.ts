import type { Sender } from "@cm/protocol";

/**
 * One connection's place in one room. Operations on it run one after the other, in the
 * order in which the client asked; a publish to a room that is settled does not wait.
 */
export class RoomSeat {
  /** The beginning of each message frame that this connection sends to the room. */
  readonly frameHead: string;
  joined = false;
  #last: Promise<void> | undefined;

  constructor(room: string, from: Sender) {
    this.frameHead = `{"type":"message","room":${JSON.stringify(room)},"from":${JSON.stringify(from)},"data":`;
  }

  /** Whether an operation is under way. */
  get busy(): boolean {
    return this.#last !== undefined;
  }

  /** Runs an operation, which must not throw, after the ones before it. */
  run(operation: () => Promise<void>): Promise<void> {
    const mine: Promise<void> = (this.#last === undefined ? operation() : this.#last.then(operation)).finally(() => {
      if (this.#last === mine) this.#last = undefined;
    });
    this.#last = mine;
    return mine;
  }
}

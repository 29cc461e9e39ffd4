import type { Sender } from "@cm/protocol";

/**
 * One connection's place in one room. Operations on it run one after the other, in the
 * order in which the client asked; a publish to a room that is settled does not wait.
 */
export class SessionRoom {
  readonly name: string;
  readonly #from: Sender;
  #frameHead: string | undefined;
  joined = false;
  /** Whether another server put the connection here, whatever its rights. */
  isAdmitted = false;
  /** Whether the connection's rights allow it to publish here. */
  mayPublish: boolean;
  /** Whether the client's last word was that it wants to be in the room. */
  wanted = false;
  /** Operations that wait or run. */
  #queued = 0;
  #last: Promise<unknown> | undefined;

  constructor(name: string, from: Sender, mayPublish: boolean) {
    this.name = name;
    this.mayPublish = mayPublish;
    this.#from = from;
  }

  /** A message frame that this connection sends to the room, `data` being JSON. Its beginning is written once. */
  messageFrame(data: string, key: string | undefined): string {
    this.#frameHead ??= `{"type":"message","room":${JSON.stringify(this.name)},"from":${JSON.stringify(this.#from)},`;
    return `${this.#frameHead}${key === undefined ? "" : `"key":${JSON.stringify(key)},`}"data":${data}}`;
  }

  /** Whether an operation is under way. False by the time that the last one's promise settles. */
  get busy(): boolean {
    return this.#queued > 0;
  }

  /** Runs an operation after the ones before it, also after those that failed. */
  run(operation: () => Promise<void>): Promise<void> {
    const inTurn = async (): Promise<void> => {
      try {
        await operation();
      } finally {
        this.#queued--;
        if (this.#queued === 0) this.#last = undefined;
      }
    };
    this.#queued++;
    const mine = this.#last === undefined ? inTurn() : this.#last.then(inTurn, inTurn);
    this.#last = mine;
    return mine;
  }
}

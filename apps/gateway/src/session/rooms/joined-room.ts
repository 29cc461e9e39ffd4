import type { Sender } from "@cm/protocol";

/**
 * The membership of one connection in one room. Operations on the membership run one after the other, in the
 * client's order. A publish is not queued if no operation is in progress.
 */
export class JoinedRoom {
  readonly name: string;
  #frameHead: string | undefined;
  /**
   * Whether the client was told that it is in the room, and gets its messages. The membership adds the connection to
   * the room earlier: before the missed messages are read.
   */
  joined = false;
  /**
   * Whether another server has put the connection into the room; the connection's rights are then not
   * checked.
   */
  isAdmitted = false;
  /** Whether the connection's rights allow it to publish here. */
  mayPublish: boolean;
  /** Whether the room counts against the connection's limit: the connection is in the room or enters it. */
  wanted = false;
  /** Number of operations that wait or run. */
  #queued = 0;
  #last: Promise<unknown> | undefined;

  constructor(name: string, mayPublish: boolean) {
    this.name = name;
    this.mayPublish = mayPublish;
  }

  /**
   * The frame of a message to the room, always from the same client. `data` is JSON. The beginning of the frame is built
   * only once.
   */
  messageFrame({ from }: { readonly from: Sender }, data: string, key: string | undefined): string {
    this.#frameHead ??= `{"type":"message","room":${JSON.stringify(this.name)},"from":${JSON.stringify(from)},`;
    return `${this.#frameHead}${key === undefined ? "" : `"key":${JSON.stringify(key)},`}"data":${data}}`;
  }

  /** Whether an operation waits or runs. Already `false` when the promise of the last one settles. */
  get busy(): boolean {
    return this.#queued > 0;
  }

  /** Runs an operation after all earlier ones have settled. */
  run(operation: () => Promise<void>): Promise<void> {
    const inOrder = async (): Promise<void> => {
      try {
        await started(operation);
      } finally {
        this.#queued--;
        if (this.#queued === 0) this.#last = undefined;
      }
    };
    this.#queued++;
    const mine = this.#last === undefined ? inOrder() : this.#last.then(inOrder, inOrder);
    this.#last = mine;
    return mine;
  }
}

/**
 * Starts an operation. If it throws at once, it fails like one that rejects: the room stays busy until the client has
 * been sent the error, so that later requests are answered after it.
 */
function started(operation: () => Promise<void>): Promise<void> {
  try {
    return operation();
  } catch (error) {
    return Promise.reject(error);
  }
}

import type { CrowdMember } from "./crowd-member.js";

/** Results of the messages that a load published. */
export interface LoadOutcome {
  readonly acknowledged: number;
  /**
   * Number of refused messages by code; `unanswered` counts the messages whose connection closed before the
   * response.
   */
  readonly refused: Readonly<Record<string, number>>;
  /** The longest time to a response, in milliseconds. */
  readonly slowestMs: number;
  /**
   * Descriptions of the members that received a message twice, or two messages of one publisher in the wrong
   * order.
   */
  readonly disorder: readonly string[];
}

interface LoadMessage {
  readonly load: string;
  /** Index of the member that published the message. */
  readonly by: number;
  readonly n: number;
}

let loads = 0;

/** A steady stream of messages from the members of a crowd, each to its own room. */
export class CrowdLoad {
  readonly #members: readonly CrowdMember[];
  readonly #name = `load-${++loads}`;
  readonly #timer: NodeJS.Timeout;
  readonly #asked = new Set<Promise<void>>();
  readonly #refused: Record<string, number> = {};
  #published = 0;
  #acknowledged = 0;
  #slowestMs = 0;

  constructor(members: readonly CrowdMember[], everyMs: number) {
    this.#members = members;
    this.#timer = setInterval(() => this.#publish(), everyMs);
  }

  /** Number of messages acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Number of messages refused so far. */
  get refused(): number {
    return Object.values(this.#refused).reduce((sum, count) => sum + count, 0);
  }

  /** Stops publishing and waits for all responses. */
  async stop(): Promise<LoadOutcome> {
    clearInterval(this.#timer);
    await Promise.all(this.#asked);
    return {
      acknowledged: this.#acknowledged,
      refused: this.#refused,
      slowestMs: this.#slowestMs,
      disorder: this.#members.flatMap((member) => this.#disorderAt(member)),
    };
  }

  #publish(): void {
    const n = this.#published++;
    const by = n % this.#members.length;
    const member = this.#members[by];
    if (!member?.socket.isOpen) return;
    const data: LoadMessage = { load: this.#name, by, n };
    const askedAt = performance.now();
    const answered = member.socket.ask({ type: "publish", room: member.room, data }).then(
      (frame) => {
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - askedAt);
        if (frame.type === "ack") this.#acknowledged++;
        else this.#refuse(frame.type === "error" ? frame.code : frame.type);
      },
      () => this.#refuse("unanswered"),
    );
    this.#asked.add(answered);
    answered.finally(() => this.#asked.delete(answered));
  }

  #refuse(code: string): void {
    this.#refused[code] = (this.#refused[code] ?? 0) + 1;
  }

  #disorderAt({ socket, user, gateway, room }: CrowdMember): string[] {
    const last = new Map<number, number>();
    const found: string[] = [];
    for (const data of socket.messages(room)) {
      if (!this.#isOwn(data)) continue;
      const before = last.get(data.by) ?? -1;
      if (data.n <= before) found.push(`${user} on gateway ${gateway} got ${data.n} of ${data.by} after ${before}`);
      last.set(data.by, Math.max(before, data.n));
    }
    return found;
  }

  #isOwn(data: unknown): data is LoadMessage {
    return typeof data === "object" && data !== null && "load" in data && data.load === this.#name;
  }
}

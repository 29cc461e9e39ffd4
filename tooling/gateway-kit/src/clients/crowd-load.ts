import type { CrowdMember } from "./crowd-member.js";

/** What became of the messages that a load published. */
export interface LoadOutcome {
  readonly acknowledged: number;
  /** Refusals by their code; `unanswered` counts those whose connection closed meanwhile. */
  readonly refused: Readonly<Record<string, number>>;
  /** The longest that an answer took, in milliseconds. */
  readonly slowestMs: number;
  /** Members that got a message twice, or two of one publisher the wrong way round. */
  readonly disorder: readonly string[];
}

interface LoadMessage {
  readonly load: string;
  /** Number of the member. */
  readonly by: number;
  readonly n: number;
}

let loads = 0;

/** A steady stream of messages from the members of a crowd, each into its own room. */
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

  /** Messages that were acknowledged so far. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Messages that were refused so far. */
  get refused(): number {
    return Object.values(this.#refused).reduce((sum, count) => sum + count, 0);
  }

  /** Stops publishing and waits for every answer. */
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

import type { ReconnectingClient, Sitting } from "./reconnecting-client.js";

/** A message that a gateway acknowledged. */
interface Taken {
  readonly by: string;
  readonly n: number;
  readonly room: string;
  readonly sentAt: number;
}

/** A steady stream of messages from clients that reconnect, with a check of what each client received. */
export class ReconnectingLoad {
  readonly #clients: readonly ReconnectingClient[];
  readonly #timer: NodeJS.Timeout;
  readonly #asked = new Set<Promise<void>>();
  readonly taken: Taken[] = [];
  /** Codes of refused publishes. A publish without a response because its own connection closed is not counted. */
  readonly refused: string[] = [];
  #n = 0;

  constructor(clients: readonly ReconnectingClient[], everyMs: number) {
    this.#clients = clients;
    this.#timer = setInterval(() => this.#publish(), everyMs);
  }

  /** Stops publishing and waits for all responses. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#asked);
  }

  /**
   * Returns the faults in the messages that the client received: acknowledged messages to its room that it missed
   * while it was in the room, messages that arrived twice or out of order, and gaps.
   */
  faults(client: ReconnectingClient): string[] {
    return client.sittings.flatMap((sitting) => this.#faults(client, sitting));
  }

  #publish(): void {
    const n = this.#n++;
    const client = this.#clients[n % this.#clients.length];
    const sitting = client?.present;
    if (client === undefined || sitting === undefined) return;
    const { room, user: by } = client;
    const sentAt = performance.now();
    const answered = sitting.socket.ask({ type: "publish", room, data: `${by}:${n}` }).then(
      (frame) => {
        if (frame.type === "ack") this.taken.push({ by, n, room, sentAt });
        else this.refused.push(frame.type === "error" ? frame.code : frame.type);
      },
      () => undefined,
    );
    this.#asked.add(answered);
    answered.finally(() => this.#asked.delete(answered));
  }

  #faults({ user, room }: ReconnectingClient, { socket, joinedAt, closedAt, server }: Sitting): string[] {
    const got = new Map<string, number[]>();
    for (const data of socket.messages(room)) {
      const [by = "", n = ""] = String(data).split(":");
      got.set(by, [...(got.get(by) ?? []), Number(n)]);
    }
    const faults: string[] = [];
    for (const [by, numbers] of got) {
      const sorted = [...new Set(numbers)].sort((a, b) => a - b);
      if (sorted.join() !== numbers.join()) faults.push(`${user} on ${server}: ${by} out of order or twice`);
    }
    for (const { by, n, room: to, sentAt } of this.taken) {
      const numbers = got.get(by);
      // Do not require the messages after the last received one if the connection was closed: they may have
      // been in flight.
      const last = closedAt === undefined ? Number.POSITIVE_INFINITY : (numbers?.at(-1) ?? -1);
      if (to !== room || sentAt < joinedAt || n > last) continue;
      if (!numbers?.includes(n)) faults.push(`${user} on ${server}: lost ${n} of ${by}`);
    }
    if (socket.received.some(({ type }) => type === "gap")) faults.push(`${user} on ${server}: a gap`);
    return faults;
  }
}

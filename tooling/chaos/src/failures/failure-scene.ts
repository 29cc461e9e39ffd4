import { setTimeout as sleep } from "node:timers/promises";
import { ownerOf } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { ChaosClient } from "../chaos/chaos-client.js";
import { ChaosLedger } from "../chaos/chaos-ledger.js";
import { ChaosWorld, type Leases, RECOVERABLE_PREFIX, type Topology } from "../chaos/chaos-world.js";
import { BURST_EVERY_MS, HOT_MEMBERS, HOT_ROOM, publishBurst } from "../chaos/hot-room.js";

const GATEWAYS = 4;
const CLIENTS = 48;
const ROOMS = 8;
const PUBLISH_EVERY_MS = 5;

/** Interval at which conditions are checked; figures have no finer resolution. */
const LOOK_EVERY_MS = 20;

/** Maximum time of any measurement; after it, the condition counts as never reached. */
const NEVER_MS = 30_000;

/** The losses of one round. */
export interface Losses {
  /**
   * Acknowledged messages of ordinary rooms that a member who stayed connected did not receive, counted for
   * each member.
   */
  readonly lost: number;
  /**
   * Like `lost`, for recoverable rooms. A member who reconnected and got the missed messages counts as having stayed
   * connected.
   */
  readonly lostThoughKept: number;
  /** Losses that were not reported to the member; 0 if all were. */
  readonly untold: number;
  /** Publishes that were refused with an error or got no response. */
  readonly refused: number;
}

/** Gateways under a steady load, with observations from outside. */
export class FailureScene {
  readonly world: ChaosWorld;
  readonly clients: readonly ChaosClient[];
  readonly #ledger = new ChaosLedger();
  readonly #calm: readonly ChaosClient[];
  readonly #hot: readonly ChaosClient[];
  readonly #loads: readonly NodeJS.Timeout[];
  readonly #answers = new Set<Promise<void>>();
  #isPublishing = false;
  #turn = 0;
  #bursts = 0;
  #refused = 0;

  private constructor(world: ChaosWorld) {
    this.world = world;
    const connect = (i: number, room: string) =>
      new ChaosClient({ user: `user-${i}`, room, ledger: this.#ledger, nextGateway: () => this.#spread(i) });
    this.#calm = Array.from({ length: CLIENTS }, (_, i) =>
      // Every other room is recoverable.
      connect(i, `${i % 2 === 0 ? "room-" : RECOVERABLE_PREFIX}${i % ROOMS}`),
    );
    this.#hot = Array.from({ length: HOT_MEMBERS }, (_, i) => connect(CLIENTS + i, HOT_ROOM));
    this.clients = [...this.#calm, ...this.#hot];
    this.#loads = [
      setInterval(() => this.#publish(), PUBLISH_EVERY_MS),
      setInterval(() => this.#publishBurst(), BURST_EVERY_MS),
    ];
  }

  static async start(topology: Topology, leases: Leases): Promise<FailureScene> {
    return new FailureScene(await ChaosWorld.start(topology, GATEWAYS, { leases }));
  }

  /** Waits until all gateways are ready and all rosters complete, then starts the load. */
  async begin(): Promise<void> {
    await this.untilWhole();
    this.#ledger.settle();
    this.#refused = 0;
    this.#isPublishing = true;
    await sleep(300);
  }

  /** Stops the load, waits until all members are back, and counts the losses. */
  async end(): Promise<Losses> {
    await sleep(300);
    this.#isPublishing = false;
    await Promise.all(this.#answers);
    await this.untilWhole();
    // Messages in flight may still arrive; those that do not are missing.
    await eventually(() => this.#requireQuiet(), { timeoutMs: 3_000 }).catch(() => undefined);
    const isKept = (room: string): boolean => room.startsWith(RECOVERABLE_PREFIX);
    const losses = {
      lost: this.#ledger.missing((room) => !isKept(room)),
      lostThoughKept: this.#ledger.missing(isKept),
      untold: this.#ledger.silentLosses().length,
      refused: this.#refused,
    };
    this.#ledger.settle();
    return losses;
  }

  /**
   * Returns the time until a condition holds, in milliseconds. The condition is checked every 20 ms. Rejects after
   * 30 s.
   */
  async timeUntil(holds: () => Promise<boolean>): Promise<number> {
    const from = performance.now();
    while (performance.now() - from < NEVER_MS) {
      if (await holds().catch(() => false)) return performance.now() - from;
      await sleep(LOOK_EVERY_MS);
    }
    throw new Error(`It did not come about within ${NEVER_MS} ms.`);
  }

  /** Whether all of these gateways report that they are ready; by default all gateways. */
  async isReady(indexes: readonly number[] = this.#all()): Promise<boolean> {
    const answers = await Promise.all(indexes.map((index) => this.#readiness(index)));
    return answers.every((status) => status === 200);
  }

  /** Whether one of these gateways reports that it is not ready. */
  async isUnready(indexes: readonly number[] = this.#all()): Promise<boolean> {
    const answers = await Promise.all(indexes.map((index) => this.#readiness(index)));
    return answers.some((status) => status !== 200);
  }

  /** Returns the owners of the members of all rooms, as the gateway with the index `observer` reports them. */
  async serversInRosters(observer: number): Promise<Set<string>> {
    const servers = new Set<string>();
    for (const members of (await this.#rosters(observer)).values()) {
      for (const { connection } of members) servers.add(ownerOf(connection) ?? "");
    }
    return servers;
  }

  /** Whether every room's roster contains exactly the clients that are currently in the room. */
  async rostersAreWhole(observer: number): Promise<boolean> {
    if (this.clients.some(({ member }) => member === undefined)) return false;
    const rosters = await this.#rosters(observer);
    const expected = new Map<string, string[]>();
    for (const { member } of this.clients) {
      if (member !== undefined) expected.set(member.room, [...(expected.get(member.room) ?? []), member.socket.id]);
    }
    for (const [room, members] of rosters) {
      const listed = members.map(({ connection }) => connection).sort();
      if (listed.join() !== (expected.get(room) ?? []).sort().join()) return false;
    }
    return rosters.size > 0;
  }

  async sumOfStats(name: string): Promise<number> {
    const stats = await Promise.all(this.#all().map((index) => this.world.stats(index)));
    return stats.reduce((sum, each) => sum + (each[name] ?? 0), 0);
  }

  async untilWhole(): Promise<void> {
    await eventually(
      async () => {
        const unready = await this.world.unready();
        if (unready.length > 0) throw new Error(unready.join("; "));
        if (!(await this.rostersAreWhole(0))) throw new Error("The rosters are not whole.");
      },
      { timeoutMs: NEVER_MS },
    );
  }

  async close(): Promise<void> {
    for (const load of this.#loads) clearInterval(load);
    await Promise.all(this.clients.map((client) => client.stop()));
    await this.world.close();
  }

  #all(): number[] {
    return this.world.gateways.map((_, index) => index);
  }

  async #readiness(index: number): Promise<number> {
    const answer = await fetch(`${this.world.gateway(index).url}/readyz`, { signal: AbortSignal.timeout(1_000) });
    await answer.arrayBuffer();
    return answer.status;
  }

  async #rosters(observer: number): Promise<Map<string, readonly { connection: string }[]>> {
    const rosters = new Map<string, readonly { connection: string }[]>();
    const askers = this.clients.flatMap(({ member }) => (member?.gateway === observer ? [member] : []));
    for (const { socket, room } of askers) {
      if (rosters.has(room)) continue;
      const answer = await socket.do({ type: "members", room, limit: 1_000 });
      if (answer.type === "members") rosters.set(room, answer.members);
    }
    return rosters;
  }

  #requireQuiet(): void {
    const [loss] = this.#ledger.silentLosses();
    if (loss !== undefined) throw new Error(loss);
  }

  /** Sends clients that moved to another gateway back to their own. */
  sendHome(): void {
    for (const [i, client] of this.clients.entries()) {
      if (client.member !== undefined && client.member.gateway !== this.#home(i)) client.vanish();
    }
  }

  #home(client: number): number {
    return (client + Math.floor(client / ROOMS)) % GATEWAYS;
  }

  /** Each client uses its own gateway while that is running, so that every gateway has some clients. */
  #spread(client: number): { readonly index: number; readonly wsUrl: string } {
    for (let step = 0; step < GATEWAYS; step++) {
      const index = (this.#home(client) + step) % GATEWAYS;
      const gateway = this.world.gateways[index];
      if (gateway?.running) return { index, wsUrl: gateway.wsUrl };
    }
    throw new Error("No gateway runs.");
  }

  #publish(): void {
    if (!this.#isPublishing) return;
    const client = this.#calm[this.#turn++ % this.#calm.length];
    if (client !== undefined) this.#count(client.publish());
  }

  #publishBurst(): void {
    if (!this.#isPublishing) return;
    for (const answer of publishBurst(this.#hot[this.#bursts++ % this.#hot.length])) this.#count(answer);
  }

  #count(published: Promise<string>): void {
    const answered = published.then((answer) => {
      if (answer !== "ack" && answer !== "not-connected") this.#refused++;
    });
    this.#answers.add(answered);
    void answered.finally(() => this.#answers.delete(answered));
  }
}

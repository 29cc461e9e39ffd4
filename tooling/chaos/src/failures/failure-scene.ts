import { setTimeout as sleep } from "node:timers/promises";
import { ownerOf } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { ChaosClient } from "../chaos/chaos-client.js";
import { ChaosLedger } from "../chaos/chaos-ledger.js";
import { ChaosWorld, type Leases, RECOVERABLE_PREFIX, type Topology } from "../chaos/chaos-world.js";

const GATEWAYS = 4;
const CLIENTS = 48;
const ROOMS = 8;
const PUBLISH_EVERY_MS = 5;

/** How often what users and operators see is looked at; figures are no finer than that. */
const LOOK_EVERY_MS = 20;

/** Nothing that is measured takes longer, or it counts as never. */
const NEVER_MS = 30_000;

/** What one round came to. */
export interface Losses {
  /** Acknowledged messages of ordinary rooms that a member who stayed did not get, each member counted. */
  readonly lost: number;
  /** The same of recoverable rooms, where members who came back and recovered count as having stayed. */
  readonly lostThoughKept: number;
  /** Those of them that the member was not told of. */
  readonly untold: number;
  /** Publishes that were refused with an error, or not answered at all. */
  readonly refused: number;
}

/** Gateways under a steady load, and ways to look at them from outside. */
export class FailureScene {
  readonly world: ChaosWorld;
  readonly clients: readonly ChaosClient[];
  readonly #ledger = new ChaosLedger();
  readonly #load: NodeJS.Timeout;
  readonly #answers = new Set<Promise<void>>();
  #isPublishing = false;
  #turn = 0;
  #refused = 0;

  private constructor(world: ChaosWorld) {
    this.world = world;
    this.clients = Array.from(
      { length: CLIENTS },
      (_, i) =>
        new ChaosClient({
          user: `user-${i}`,
          // Every other room is recoverable.
          room: `${i % 2 === 0 ? "room-" : RECOVERABLE_PREFIX}${i % ROOMS}`,
          ledger: this.#ledger,
          nextGateway: () => this.#spread(i),
        }),
    );
    this.#load = setInterval(() => this.#publish(), PUBLISH_EVERY_MS);
  }

  static async start(topology: Topology, leases: Leases): Promise<FailureScene> {
    return new FailureScene(await ChaosWorld.start(topology, GATEWAYS, leases));
  }

  /** Waits until all gateways are ready and all rosters whole, and starts the load. */
  async begin(): Promise<void> {
    await this.untilWhole();
    this.#ledger.settle();
    this.#refused = 0;
    this.#isPublishing = true;
    await sleep(300);
  }

  /** Ends the load, waits until all members are back, and counts. */
  async end(): Promise<Losses> {
    await sleep(300);
    this.#isPublishing = false;
    await Promise.all(this.#answers);
    await this.untilWhole();
    // What is still on its way arrives; what is not, stays missing.
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

  /** How long it takes until the condition holds, in milliseconds; it is looked at every 20 ms. */
  async timeUntil(holds: () => Promise<boolean>): Promise<number> {
    const from = performance.now();
    while (performance.now() - from < NEVER_MS) {
      if (await holds().catch(() => false)) return performance.now() - from;
      await sleep(LOOK_EVERY_MS);
    }
    throw new Error(`It did not come about within ${NEVER_MS} ms.`);
  }

  /** Whether each of these gateways says that it is ready, or any where none is named. */
  async isReady(indexes: readonly number[] = this.#all()): Promise<boolean> {
    const answers = await Promise.all(indexes.map((index) => this.#readiness(index)));
    return answers.every((status) => status === 200);
  }

  /** Whether one of these gateways says that it is not ready. */
  async isUnready(indexes: readonly number[] = this.#all()): Promise<boolean> {
    const answers = await Promise.all(indexes.map((index) => this.#readiness(index)));
    return answers.some((status) => status !== 200);
  }

  /** Servers of all members of all rooms, as a client of the gateway is told them. */
  async serversInRosters(observer: number): Promise<Set<string>> {
    const servers = new Set<string>();
    for (const members of (await this.#rosters(observer)).values()) {
      for (const { connection } of members) servers.add(ownerOf(connection) ?? "");
    }
    return servers;
  }

  /** Whether every room's roster is exactly those clients that are in it now. */
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
    clearInterval(this.#load);
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

  /** Sends those who fled to another gateway back to their own. */
  sendHome(): void {
    for (const [i, client] of this.clients.entries()) {
      if (client.member !== undefined && client.member.gateway !== this.#home(i)) client.vanish();
    }
  }

  #home(client: number): number {
    return (client + Math.floor(client / ROOMS)) % GATEWAYS;
  }

  /** Each client has its gateway while that runs, so that there are always some on each. */
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
    const client = this.clients[this.#turn++ % this.clients.length];
    if (client === undefined) return;
    const answered = client.publish().then((answer) => {
      if (answer !== "ack" && answer !== "not-connected") this.#refused++;
    });
    this.#answers.add(answered);
    answered.finally(() => this.#answers.delete(answered));
  }
}

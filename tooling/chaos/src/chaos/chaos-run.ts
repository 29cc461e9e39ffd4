import { setTimeout as sleep } from "node:timers/promises";
import { expectNoKeys, expectProjected, expectUsageNear } from "@cm/gateway-kit/invariants/invariants";
import { eventually, type ProcessUsage } from "@cm/test-kit";
import { expect } from "vitest";
import { ChaosClient } from "./chaos-client.js";
import { faultsFor } from "./chaos-faults.js";
import { ChaosLedger } from "./chaos-ledger.js";
import { ChaosPresence } from "./chaos-presence.js";
import { ChaosWorld, HEARTBEAT_MS, LEASE_MS, RECOVERABLE_PREFIX, type Topology } from "./chaos-world.js";
import { BURST_EVERY_MS, HOT_MEMBERS, HOT_ROOM, measureHotRoom, publishBurst } from "./hot-room.js";
import { SeededRandom } from "./seeded-random.js";

/** Options of a run. */
export interface ChaosOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly topology: Topology;
  readonly gateways: number;
  /** `ROOM_WINDOW_MS` of the gateways. */
  readonly roomWindow: string;
  readonly report: (line: string) => void;
}

/** The results of a run. */
export interface ChaosReport {
  readonly faults: Readonly<Record<string, number>>;
  readonly delivered: number;
  readonly gaps: number;
  readonly violations: readonly string[];
}

const CLIENTS = 48;
const ROOMS = 8;
const PUBLISH_EVERY_MS = 5;
const PROGRESS_EVERY_MS = 5_000;

/**
 * Maximum number of additional open files of a gateway besides its clients' sockets: connections that are
 * being replaced.
 */
const STRAY_FILES_MAX = 8;

/**
 * Maximum time for everything to recover after a fault is over: a lease and a few heartbeats, the
 * reconnecting of clients and links, and a margin for a busy machine.
 */
const RECOVERY_MS = 20_000;

/**
 * Injects one or two faults at a time, until the time is over or a violation is found. After the faults are over,
 * the store and the gateways must agree with the clients again.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const world = await ChaosWorld.start(options.topology, options.gateways, { roomWindow: options.roomWindow });
  try {
    return await new ChaosRun(world, options).run();
  } finally {
    await world.close();
  }
}

class ChaosRun {
  readonly #world: ChaosWorld;
  readonly #options: ChaosOptions;
  readonly #random: SeededRandom;
  readonly #ledger = new ChaosLedger();
  readonly #calm: readonly ChaosClient[];
  readonly #hot: readonly ChaosClient[];
  readonly #clients: readonly ChaosClient[];
  readonly #startedAtMs = performance.now();
  readonly #faults: Record<string, number> = {};
  readonly #refused: Record<string, number> = {};
  readonly #answers = new Set<Promise<void>>();
  readonly #usage = new Map<number, ProcessUsage>();
  #presence: ChaosPresence | undefined;
  #isPublishing = false;
  #current = "starting";
  #turn = 0;
  #bursts = 0;

  constructor(world: ChaosWorld, options: ChaosOptions) {
    this.#world = world;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    const connect = (i: number, room: string) =>
      new ChaosClient({ user: `user-${i}`, room, ledger: this.#ledger, nextGateway: this.#balancer(i) });
    this.#calm = Array.from({ length: CLIENTS }, (_, i) =>
      // Every other room is recoverable.
      connect(i, `${i % 2 === 0 ? "room-" : RECOVERABLE_PREFIX}${i % ROOMS}`),
    );
    this.#hot = Array.from({ length: HOT_MEMBERS }, (_, i) => connect(CLIENTS + i, HOT_ROOM));
    this.#clients = [...this.#calm, ...this.#hot];
  }

  async run(): Promise<ChaosReport> {
    const progress = setInterval(() => this.#report(this.#current), PROGRESS_EVERY_MS);
    const loads = [
      setInterval(() => this.#publish(), PUBLISH_EVERY_MS),
      setInterval(() => this.#publishBurst(), BURST_EVERY_MS),
    ];
    try {
      await this.#checkpoint("before the first fault");
      const end = this.#startedAtMs + this.#options.minutes * 60_000;
      while (performance.now() < end && this.#ledger.violations.length === 0) await this.#round();
      if (this.#ledger.violations.length === 0) await this.#end();
    } finally {
      clearInterval(progress);
      for (const load of loads) clearInterval(load);
      await Promise.all(this.#clients.map((client) => client.stop()));
      await this.#presence?.close();
    }
    const { delivered, gaps } = this.#ledger.counts;
    this.#report("end");
    return { faults: this.#faults, delivered, gaps, violations: this.#ledger.violations };
  }

  async #round(): Promise<void> {
    const faults = faultsFor(this.#world);
    const names = Object.keys(faults);
    const chosen = new Set([this.#random.pick(names)]);
    if (this.#random.next() < 0.25) chosen.add(this.#random.pick(names));
    // Each fault draws its own random numbers, so that the timing of concurrent faults does not change the plan.
    const planned = [...chosen].map((name) => ({ name, random: new SeededRandom(this.#random.between(0, 2 ** 31)) }));
    const quietMs = this.#random.between(200, 1_500);
    this.#current = [...chosen].join(" + ");
    this.#isPublishing = true;
    await sleep(quietMs);
    await Promise.all(
      planned.map(async ({ name, random }) => {
        this.#faults[name] = (this.#faults[name] ?? 0) + 1;
        await faults[name]?.({ world: this.#world, clients: this.#clients, random });
      }),
    );
    await sleep(500);
    await this.#checkpoint(this.#current);
  }

  /** Stops the load, waits until everything has settled, and compares the store and the gateways with the clients. */
  async #checkpoint(after: string): Promise<void> {
    this.#isPublishing = false;
    try {
      await Promise.all(this.#answers);
      await eventually(
        async () => {
          const unready = await this.#world.unready();
          if (unready.length > 0) throw new Error(`Not ready: ${unready.join("; ")}`);
          const away = this.#clients.filter(({ member }) => member === undefined).length;
          if (away > 0) throw new Error(`${away} clients have not come back.`);
        },
        { timeoutMs: RECOVERY_MS, intervalMs: 100 },
      );
      const members = this.#clients.flatMap(({ member }) => member ?? []);
      await expectProjected(this.#world, { members, present: members }, RECOVERY_MS);
      this.#presence ??= await ChaosPresence.begin(this.#world, members);
      await this.#presence.check(members, RECOVERY_MS);
      await eventually(() => {
        const [loss] = this.#ledger.silentLosses();
        if (loss !== undefined) throw new Error(loss);
      });
    } catch (error) {
      this.#violate(after, error);
    }
    this.#ledger.settle();
    await this.#noteUsage();
  }

  /**
   * Ends the run: the hot room must have been served with batches and windows, the gateways must not have grown, and
   * after all clients and gateways have left, no keys may remain.
   */
  async #end(): Promise<void> {
    try {
      this.#current = "measuring the hot room";
      const { messages, publishCommands, deliveries, writes } = await measureHotRoom(this.#world, this.#hot);
      this.#report(
        `hot room: ${messages} messages in ${publishCommands} commands, ${deliveries} deliveries in ${writes} writes`,
      );
      expect(publishCommands).toBeLessThan(messages);
      if (this.#options.roomWindow !== "0") expect(writes).toBeLessThan(deliveries);
      this.#current = "leaving";
      for (const [index, gateway] of this.#world.gateways.entries()) {
        const before = this.#usage.get(gateway.pid);
        if (before === undefined) continue;
        await expectUsageNear(gateway, before, { openFiles: this.#clientsOn(index) + STRAY_FILES_MAX });
      }
      await Promise.all(this.#clients.map((client) => client.stop()));
      await this.#world.stopGateways();
      await this.#presence?.close();
      await sleep(LEASE_MS + HEARTBEAT_MS);
      await expectNoKeys(this.#world);
    } catch (error) {
      this.#violate("at the end", error);
    }
  }

  /** Records the resource usage of each gateway when it is first idle, without its clients' sockets. */
  async #noteUsage(): Promise<void> {
    for (const [index, gateway] of this.#world.gateways.entries()) {
      if (this.#usage.has(gateway.pid)) continue;
      const { rssBytes, openFiles } = await gateway.usage();
      this.#usage.set(gateway.pid, { rssBytes, openFiles: openFiles - this.#clientsOn(index) });
    }
  }

  #clientsOn(index: number): number {
    return this.#clients.filter(({ member }) => member?.gateway === index).length;
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
      if (answer !== "ack") this.#refused[answer] = (this.#refused[answer] ?? 0) + 1;
    });
    this.#answers.add(answered);
    void answered.finally(() => this.#answers.delete(answered));
  }

  /**
   * Returns a function that chooses gateways for one client with its own random numbers, so that other clients'
   * reconnecting does not affect the choice.
   */
  #balancer(client: number): () => { readonly index: number; readonly wsUrl: string } {
    const random = new SeededRandom(this.#options.seed * CLIENTS + client);
    return () => {
      const running = this.#world.gateways.flatMap((gateway, index) => (gateway.running ? [{ gateway, index }] : []));
      const { gateway, index } = random.pick(running);
      return { index, wsUrl: gateway.wsUrl };
    };
  }

  #violate(after: string, error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#ledger.violations.push(`after "${after}" at ${this.#seconds()} s: ${text.slice(0, 2_000)}`);
    this.#report(`VIOLATION after ${after}: ${text.slice(0, 500)}`);
  }

  #report(what: string): void {
    const { delivered, acknowledged, gaps, reportedMissing, recoveries } = this.#ledger.counts;
    const faults = Object.values(this.#faults).reduce((sum, count) => sum + count, 0);
    const refused = Object.entries(this.#refused).map(([code, count]) => `${code} ${count}`);
    this.#options.report(
      `${this.#seconds().padStart(6)} s  faults ${faults}  published ${acknowledged}  delivered ${delivered}  ` +
        `gap frames ${gaps} for ${reportedMissing}  recovered ${recoveries}  refused ${refused.join(", ") || "none"}  ` +
        `violations ${this.#ledger.violations.length}  | ${what}`,
    );
  }

  #seconds(): string {
    return ((performance.now() - this.#startedAtMs) / 1_000).toFixed(1);
  }
}

import type { CrowdMember } from "@cm/gateway-kit/clients/crowd-member";
import { connectionName, PresenceRecord, userName } from "@cm/gateway-kit/invariants/presence-record";
import { eventually } from "@cm/test-kit";
import { expect } from "vitest";
import { type ChaosWorld, HEARTBEAT_MS } from "./chaos-world.js";

/** Counters of gateways, by process id. */
type Counted = ReadonlyMap<number, { readonly reapedServers: number; readonly reprojections: number }>;

/**
 * Watches all users and rooms of a run. Between two checkpoints, a member that was connected all the time
 * must be announced neither as gone nor as joined, unless its gateway was presumed dead and cleaned up after.
 * At each checkpoint, the store must show the true state.
 */
export class ChaosPresence {
  readonly #world: ChaosWorld;
  readonly #record: PresenceRecord;
  #members: readonly CrowdMember[];
  #counted: Counted;

  private constructor(world: ChaosWorld, record: PresenceRecord, members: readonly CrowdMember[], counted: Counted) {
    this.#world = world;
    this.#record = record;
    this.#members = members;
    this.#counted = counted;
  }

  /** Starts watching. Must be called while nothing is changing. */
  static async begin(world: ChaosWorld, members: readonly CrowdMember[]): Promise<ChaosPresence> {
    const users = [...new Set(members.map(({ user }) => user))];
    const rooms = [...new Set(members.map(({ room }) => room))];
    const record = await PresenceRecord.open(world, { users, rooms }, 2 * HEARTBEAT_MS);
    return new ChaosPresence(world, record, members, await count(world));
  }

  /**
   * Throws if a wrong change was announced, or if the shown state is wrong. Otherwise this is the next checkpoint.
   */
  async check(members: readonly CrowdMember[], timeoutMs: number): Promise<void> {
    await eventually(() => this.#record.expectShown(members), { timeoutMs, intervalMs: 100 });
    const counted = await count(this.#world);
    const undisturbed = new Set(
      this.#undisturbed(members, counted).flatMap(({ socket, user }) => [connectionName(socket.id), userName(user)]),
    );
    const falsely = [...this.#record.announced].filter(([name]) => undisturbed.has(name));
    expect(Object.fromEntries(falsely), "announced, though connected all the time").toEqual({});
    expect(this.#record.late).toEqual([]);
    this.#members = members;
    this.#counted = counted;
    await this.#record.turnPage();
  }

  close(): Promise<void> {
    return this.#record.close();
  }

  /**
   * The members that were connected since the last checkpoint, to gateways that no other gateway can have
   * cleaned up after.
   */
  #undisturbed(members: readonly CrowdMember[], counted: Counted): CrowdMember[] {
    const before = new Set(this.#members.map(({ socket }) => socket));
    // A gateway that has ended counts too, because it may have cleaned up after another one before.
    const someReaped = [...this.#counted].some(
      ([pid, { reapedServers }]) => counted.get(pid)?.reapedServers !== reapedServers,
    );
    return members.filter(({ socket, gateway }) => {
      const { pid } = this.#world.gateway(gateway);
      const tookItsLeaseAnew = counted.get(pid)?.reprojections !== this.#counted.get(pid)?.reprojections;
      return before.has(socket) && !(someReaped && tookItsLeaseAnew);
    });
  }
}

async function count(world: ChaosWorld): Promise<Counted> {
  const counts = world.gateways.map(async ({ pid }, index) => {
    const { reapedServers = 0, reprojections = 0 } = await world.stats(index);
    return [pid, { reapedServers, reprojections }] as const;
  });
  return new Map(await Promise.all(counts));
}

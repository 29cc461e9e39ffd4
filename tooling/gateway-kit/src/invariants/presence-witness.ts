import { eventually } from "@cm/test-kit";
import { expect, onTestFinished } from "vitest";
import type { CrowdMember } from "../clients/crowd-member.js";
import type { GatewayCluster } from "../processes/cluster.js";
import type { Population } from "./invariants.js";
import { connectionName, PresenceRecord, userName } from "./presence-record.js";

/** How a {@link PresenceWitness} looks. */
export interface WitnessOptions {
  /**
   * The store loses data, so that a roster may be shown in part while its owners write it
   * again; users are never shown as gone for that. Default `false`.
   */
  readonly storeLosesData?: boolean;
  /**
   * Leases run out while their servers live, so that rosters read meanwhile lack the members
   * of those servers; users are never shown as gone for that, and no one is announced as
   * gone. Default `false`.
   */
  readonly leasesRunOut?: boolean;
  /** How long owners may take to write again what was lost, in milliseconds. Default 5,000. */
  readonly restoreWithinMs?: number;
}

/** Announcements to expect besides departures. */
export interface WitnessedReturns {
  /** Present, though they were announced as gone meanwhile, and as back. */
  readonly returned?: readonly CrowdMember[];
  /** Whose departure the store had forgotten: what of it is told once more is not looked at. */
  readonly forgotten?: readonly CrowdMember[];
  readonly timeoutMs?: number;
}

/** Holds what is heard of users and rooms against who has gone. Ends with the test. */
export class PresenceWitness {
  readonly #record: PresenceRecord;
  readonly #options: WitnessOptions;
  /** Whose departure was checked already. */
  readonly #settled = new Set<string>();

  private constructor(record: PresenceRecord, options: WitnessOptions) {
    this.#record = record;
    this.#options = options;
  }

  /** Begins with a population that is there already. */
  static async watch(
    cluster: Pick<GatewayCluster, "redisUrl" | "prefix">,
    { members }: Population,
    options: WitnessOptions = {},
  ): Promise<PresenceWitness> {
    const users = [...new Set(members.map(({ user }) => user))];
    const rooms = [...new Set(members.map(({ room }) => room))];
    const record = await PresenceRecord.open(cluster, { users, rooms }, options.restoreWithinMs ?? 5_000);
    onTestFinished(() => record.close());
    record.expectShown(members);
    return new PresenceWitness(record, options);
  }

  /**
   * Waits until every member that has gone since the last check was announced, and is shown, as
   * gone; then checks that each was announced once, and no other was. While the witness' own
   * subscription is interrupted an announcement may pass it by, and is then only seen in what
   * is shown.
   */
  async expectDepartures(
    { members }: Pick<Population, "members">,
    { returned = [], forgotten = [], timeoutMs = 10_000 }: WitnessedReturns = {},
  ): Promise<void> {
    const expected = this.#expectedOf(members, returned);
    const record = this.#record;
    const ignored = new Set(forgotten.flatMap(({ socket, user }) => [connectionName(socket.id), userName(user)]));
    const looksAt = ([name]: readonly [string, unknown]): boolean => !ignored.has(name);
    await eventually(
      () => {
        record.expectShown(members.filter(({ socket }) => socket.isOpen));
        if (record.interruptions > 0) return;
        const announced = [...record.announced].filter(looksAt);
        const names = announced.map(([name]) => name).join(", ");
        expect(Object.fromEntries(announced), `announced: ${names}`).toEqual(
          Object.fromEntries([...expected].filter(looksAt)),
        );
      },
      { timeoutMs },
    );
    for (const [name, told] of [...record.announced].filter(looksAt)) {
      const owed = [...(expected.get(name) ?? [])];
      // What was told is what was to be told, but for what passed it by.
      for (const kind of told) {
        const at = owed.indexOf(kind);
        expect(at, `${name} was announced: ${told.join(", ")}`).toBeGreaterThanOrEqual(0);
        owed.splice(0, at + 1);
      }
    }
    const falselyGone = [...record.shownGone].filter((name) => !expected.has(name) && !ignored.has(name));
    expect(falselyGone.filter((name) => !this.#mayHide(name))).toEqual([]);
    for (const [name, kinds] of expected) if (GONE.has(kinds.at(-1) ?? "")) this.#settled.add(name);
    expect(record.late).toEqual([]);
    await record.turnPage();
  }

  #mayHide(name: string): boolean {
    const { storeLosesData = false, leasesRunOut = false } = this.#options;
    return (leasesRunOut || storeLosesData) && !name.startsWith("user ");
  }

  #expectedOf(members: readonly CrowdMember[], returned: readonly CrowdMember[]): Map<string, string[]> {
    const expected = new Map<string, string[]>();
    const add = (name: string, back: boolean, isThere: boolean, [gone, here]: readonly [string, string]): void => {
      const kinds = [...(back ? [gone, here] : []), ...(isThere || this.#settled.has(name) ? [] : [gone])];
      if (kinds.length > 0) expected.set(name, kinds);
    };
    const back = new Set(returned);
    for (const member of members) {
      add(connectionName(member.socket.id), back.has(member), member.socket.isOpen, ["left", "joined"]);
    }
    for (const user of new Set(members.map((member) => member.user))) {
      const own = members.filter((member) => member.user === user);
      const isBack = own.every((member) => back.has(member));
      const isThere = own.some(({ socket }) => socket.isOpen);
      add(userName(user), isBack, isThere, ["offline", "online"]);
    }
    return expected;
  }
}

/** The changes by which a user or member goes. */
const GONE = new Set(["offline", "left"]);

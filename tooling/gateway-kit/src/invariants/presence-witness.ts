import { eventually } from "@cm/test-kit";
import { expect, onTestFinished } from "vitest";
import type { CrowdMember } from "../clients/crowd-member.js";
import type { GatewayCluster } from "../processes/gateway-cluster.js";
import type { Population } from "./invariants.js";
import { connectionName, PresenceRecord, userName } from "./presence-record.js";

/** Options of {@link PresenceWitness}. */
export interface WitnessOptions {
  /**
   * Whether the store loses data, so that a roster may be shown without some members while their owners write
   * them again. Users must not be shown as gone because of that. Default `false`.
   */
  readonly storeLosesData?: boolean;
  /**
   * Whether leases expire while their servers are alive, so that rosters that are read during that time lack the
   * members of those servers. Users must not be shown or announced as gone because of that. Default `false`.
   */
  readonly leasesRunOut?: boolean;
  /** Maximum time for owners to write again what was lost, in milliseconds. Default 5,000. */
  readonly restoreWithinMs?: number;
}

/** Announcements to expect in addition to departures. */
export interface WitnessedReturns {
  /** Members that are present, but were announced as gone and then as back since the last check. */
  readonly returned?: readonly CrowdMember[];
  /** Members whose departure the store has forgotten; repeated announcements of their departure are ignored. */
  readonly forgotten?: readonly CrowdMember[];
  readonly timeoutMs?: number;
}

/**
 * Compares the announced and shown presence of users and rooms with the members that have gone. Closed when
 * the test ends.
 */
export class PresenceWitness {
  readonly #record: PresenceRecord;
  readonly #options: WitnessOptions;
  /** Names of users and connections whose departure was already checked. */
  readonly #settled = new Set<string>();

  private constructor(record: PresenceRecord, options: WitnessOptions) {
    this.#record = record;
    this.#options = options;
  }

  /** Starts with a population that is already connected. */
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
   * Waits until every member that has gone since the last check was announced and is shown as gone; then
   * checks that each was announced once, and that no other was. While the witness's own subscription is
   * interrupted, it may miss announcements, and then checks only what is shown.
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
      // Require that the announcements are the expected ones in order; some may have been missed.
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

/** The changes by which a user or member disappears. */
const GONE = new Set(["offline", "left"]);

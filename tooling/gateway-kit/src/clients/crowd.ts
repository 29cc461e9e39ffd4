import type { GatewayCluster } from "../processes/cluster.js";
import { CrowdLoad } from "./crowd-load.js";
import type { CrowdMember } from "./crowd-member.js";

/** What {@link Crowd.gather} takes. */
export interface CrowdOptions {
  /** Clients on each gateway, of users who have one on every gateway. Default 12. */
  readonly perGateway?: number;
  /** Clients on each gateway, of users who are on that one alone. Default 0. */
  readonly alone?: number;
  /** Default 6. */
  readonly rooms?: number;
}

/** Between two attempts to publish that are refused with `unavailable`. */
const RETRY_MS = 50;

/**
 * Clients on all gateways of a cluster, the truth that everything else is held against.
 * Each user has one connection on every gateway, but those who are to be alone; and each
 * room has members on all of them.
 */
export class Crowd {
  readonly members: readonly CrowdMember[];
  #markers = 0;

  private constructor(members: readonly CrowdMember[]) {
    this.members = members;
  }

  /** Connects clients to each gateway, spread over the rooms. */
  static async gather(
    cluster: GatewayCluster,
    { perGateway = 12, alone = 0, rooms = 6 }: CrowdOptions = {},
  ): Promise<Crowd> {
    const joining = cluster.gateways.flatMap((_, gateway) =>
      Array.from({ length: perGateway + alone }, async (_, i): Promise<CrowdMember> => {
        const [user, room] = [i < perGateway ? `user-${i}` : `alone-${gateway}-${i}`, `room-${i % rooms}`];
        const socket = await cluster.connect(gateway, user);
        await socket.do({ type: "join", room });
        return { socket, user, gateway, room };
      }),
    );
    return new Crowd(await Promise.all(joining));
  }

  /** Those whose connection is open. */
  get present(): CrowdMember[] {
    return this.members.filter(({ socket }) => socket.isOpen);
  }

  /** Those whose connection is not. */
  get gone(): CrowdMember[] {
    return this.members.filter(({ socket }) => !socket.isOpen);
  }

  /** Those on one gateway, open or not. */
  on(gateway: number): CrowdMember[] {
    return this.members.filter((member) => member.gateway === gateway);
  }

  /** Those on all gateways but one, open or not. */
  notOn(gateway: number): CrowdMember[] {
    return this.members.filter((member) => member.gateway !== gateway);
  }

  /** Has the members publish in turn, one message every `everyMs` milliseconds, until it is stopped. */
  startLoad(everyMs = 10): CrowdLoad {
    return new CrowdLoad(this.members, everyMs);
  }

  /**
   * Has one member on each gateway publish into each room once, and throws where a present
   * member of the room did not get every one of these messages in time. A publish that is refused
   * with `unavailable` did not go out, and is tried again: a failover may close the connection for
   * commands once more after a gateway was ready.
   */
  async hearsItself(timeoutMs = 5_000): Promise<void> {
    const present = this.present;
    const publishers = new Map(present.map((member) => [`${member.gateway} ${member.room}`, member]));
    const expected = new Map<string, string[]>();
    await Promise.all(
      [...publishers.values()].map(async ({ socket, room }) => {
        const marker = `marker-${++this.#markers}`;
        expected.set(room, [...(expected.get(room) ?? []), marker]);
        await publishOnce(socket, room, marker, timeoutMs);
      }),
    );
    const deadline = AbortSignal.timeout(timeoutMs);
    const tooLate = new Promise<void>((resolve) => deadline.addEventListener("abort", () => resolve()));
    const hears = async ({ socket, room }: CrowdMember): Promise<void> => {
      for (const marker of expected.get(room) ?? []) {
        await socket.until((frame) => frame.type === "message" && frame.room === room && frame.data === marker);
      }
    };
    await Promise.race([Promise.all(present.map(hears)), tooLate]);
    const deaf = present.flatMap(({ socket, user, gateway, room }) => {
      const got = new Set(socket.messages(room));
      const missed = (expected.get(room) ?? []).filter((marker) => !got.has(marker));
      return missed.length === 0 ? [] : [`${user} on gateway ${gateway} in ${room} missed ${missed.length}`];
    });
    if (deaf.length > 0) throw new Error(`Not everybody heard everything: ${deaf.join("; ")}`);
  }

  /** Cuts every connection that is open. */
  leave(): void {
    for (const { socket } of this.present) socket.terminate();
  }
}

/** Publishes until it is not refused with `unavailable`, or the time is over. */
async function publishOnce(
  socket: CrowdMember["socket"],
  room: string,
  data: string,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await socket.ask({ type: "publish", room, data });
    if (answer.type !== "error") return;
    if (answer.code !== "unavailable" || performance.now() > deadline)
      throw new Error(`${answer.code}: ${answer.message}`);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

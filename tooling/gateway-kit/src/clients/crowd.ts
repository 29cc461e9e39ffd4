import type { GatewayCluster } from "../processes/gateway-cluster.js";
import { CrowdLoad } from "./crowd-load.js";
import type { CrowdMember } from "./crowd-member.js";

/** Options of {@link Crowd.gather}. */
export interface CrowdOptions {
  /** Number of clients on each gateway whose users have a connection on every gateway. Default 12. */
  readonly perGateway?: number;
  /** Number of clients on each gateway whose users are connected only to that gateway. Default 0. */
  readonly alone?: number;
  /** Number of rooms. Default 6. */
  readonly rooms?: number;
}

/** Pause before a publish that was refused with `unavailable` is attempted again, in milliseconds. */
const RETRY_MS = 50;

/**
 * Clients on all gateways of a cluster. Tests compare the state of the store and of the gateways with the state
 * of these clients. Each user has one connection on every gateway, except for the `alone` users; each room has
 * members on all gateways.
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

  /** The members whose connection is open. */
  get present(): CrowdMember[] {
    return this.members.filter(({ socket }) => socket.isOpen);
  }

  /** The members whose connection is closed. */
  get gone(): CrowdMember[] {
    return this.members.filter(({ socket }) => !socket.isOpen);
  }

  /** The members on one gateway, whether their connections are open or not. */
  on(gateway: number): CrowdMember[] {
    return this.members.filter((member) => member.gateway === gateway);
  }

  /** The members on all gateways except this one, whether their connections are open or not. */
  notOn(gateway: number): CrowdMember[] {
    return this.members.filter((member) => member.gateway !== gateway);
  }

  /** Lets the members publish in turn, one message every `everyMs` milliseconds, until the load is stopped. */
  startLoad(everyMs = 10): CrowdLoad {
    return new CrowdLoad(this.members, everyMs);
  }

  /**
   * Publishes once into each room from each gateway, and throws if a present member of the room did not receive
   * all of these messages in time. A publish that is refused with `unavailable` was not sent and is retried: a
   * failover may close the command connection once more after a gateway has reported that it is ready.
   */
  async hearsItself(timeoutMs = 5_000): Promise<void> {
    const present = this.present;
    const publishers = new Map(present.map((member) => [`${member.gateway} ${member.room}`, member]));
    const expected = new Map<string, string[]>();
    await Promise.all(
      [...publishers.values()].map(async ({ socket, room, gateway }) => {
        const marker = `marker-${++this.#markers} of gateway ${gateway}`;
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
      return missed.length === 0 ? [] : [`${user} on gateway ${gateway} in ${room} missed ${missed.join(", ")}`];
    });
    if (deaf.length > 0) throw new Error(`Not everybody heard everything: ${deaf.join("; ")}`);
  }

  /** Cuts every open connection. */
  leave(): void {
    for (const { socket } of this.present) socket.terminate();
  }
}

/**
 * Publishes until the response is not `unavailable`. Throws if it is another error, or `unavailable` after the
 * timeout.
 */
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

import { type Attack, bystanderFindings } from "../attack.js";

const ROOMS_EACH = 100;

/** Share by which the clients request more rooms and memberships than the gateway allows. */
const EXCESS = 0.1;

/** Heap of the gateway at full size, and the smallest heap in which it can run, in MiB. */
const HEAP_MIB = 512;
const HEAP_MIN_MIB = 64;

function heapMiB(size: number): number {
  return Math.max(HEAP_MIN_MIB, Math.round(HEAP_MIB * size));
}

/** Number of rooms that a gateway without limits is filled with, for each MiB of its heap. */
const ROOMS_PER_MIB = 140;

/** Number of clients that join the shared rooms before the gateway's limit on rooms is reached. */
const EARLY = 10;

/**
 * Number of clients that then request one more room, and the requests per second of each, slightly below the
 * default limit.
 */
const SEEKERS = 20;
const REQUESTS_PER_SECOND = 95;

const SHARED = Array.from({ length: ROOMS_EACH }, (_, index) => `shared-${index}`);
const OWN = Array.from({ length: ROOMS_EACH }, (_, index) => `own-#-${index}`);

export const FULL_HEAP: Attack = {
  name: "heap",
  title: "clients fill the rooms and memberships of a gateway with a heap of 512 MiB, and ask for more",
  env: ({ size }) => ({ NODE_OPTIONS: `--max-old-space-size=${heapMiB(size)}` }),
  async run(scene) {
    const { gateway, scale } = scene;
    const { wsUrl } = gateway;
    const { capacity } = await scene.stats();
    const maxRooms = capacity.maxRooms === 0 ? heapMiB(scale.size) * ROOMS_PER_MIB : capacity.maxRooms;
    const maxMemberships = capacity.maxMemberships === 0 ? 2 * maxRooms : capacity.maxMemberships;
    const clientsFor = (joins: number): number => Math.ceil((joins * (1 + EXCESS)) / ROOMS_EACH);
    const crowd = scene.crowd();
    let usedMiB = 0;
    let refused = 0;
    const seekers = scene.crowd();
    const fill = async (): Promise<void> => {
      for (const [user, count, rooms] of [
        ["early", EARLY, SHARED],
        ["owner", clientsFor(maxRooms), OWN],
        ["late", clientsFor(maxMemberships - maxRooms), SHARED],
      ] as const) {
        const { errors } = await crowd.open({ wsUrl, count, user, rooms, atOnce: 20 });
        if (!gateway.running) return;
        refused = errors["capacity-reached"] ?? 0;
        usedMiB = Math.max(usedMiB, (await scene.metric("nodejs_heap_size_used_bytes")) / 2 ** 20);
      }
      await seekers.open({ wsUrl, count: SEEKERS, user: "seeker" });
    };
    const frame = JSON.stringify({ type: "join", room: "one-more", ref: 1 });
    const figures = await scene.bystanders(
      async () => {
        if (gateway.running) await seekers.flood({ frame, perSecond: REQUESTS_PER_SECOND, seconds: scale.seconds });
      },
      // The uninvolved clients join no rooms, because the gateway would refuse them too.
      { beforehand: fill, areVisiting: false },
    );
    if (!gateway.running) return [{ what: "the gateway", value: "ENDED", isKept: false }];
    const { limits, capacity: taken } = await scene.stats();
    const reached = ["memberships", "server-rooms"].map((limit) => limits[limit] ?? 0);
    return [
      { what: "the gateway", value: "lives" },
      ...bystanderFindings(figures),
      { what: "heap used, highest", value: `${usedMiB.toFixed(0)} of ${heapMiB(scale.size)} MiB` },
      { what: "memberships", value: `${taken.memberships} of ${taken.maxMemberships}` },
      { what: "rooms", value: `${taken.rooms} of ${taken.maxRooms}` },
      {
        what: "joins refused for memberships, for rooms",
        value: reached.join(", "),
        isKept: reached.every((count) => count > 0),
      },
      { what: "told capacity-reached while filling it", value: String(refused), isKept: refused > 0 },
    ];
  },
};

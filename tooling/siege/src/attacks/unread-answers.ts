import { setTimeout as sleep } from "node:timers/promises";
import { type Attack, bystanderFindings, type Finding, type Scene } from "../attack.js";
import type { FloodOrder } from "../crowd-orders.js";

/**
 * The default of `MAX_TOTAL_BACKPRESSURE_BYTES`, in MiB. The heap also holds pages that were sent, until it is
 * collected.
 */
const BUDGET_MIB = 256;

/** Number of clients that ask and do not read, and of members of the room whose roster they ask for. */
const ASKERS = 200;
const MEMBERS = 2_000;

/** Slightly below the default limit of requests per second of one connection. */
const REQUESTS_PER_SECOND = 95;

/** Far beyond the limit of pings. */
const PINGS_PER_SECOND = 500;

/** Time between two looks at the gateway's memory, in milliseconds. */
const LOOK_EVERY_MS = 100;

/** Lets clients that stopped reading after their welcome flood the gateway. */
async function floodUnread(
  scene: Scene,
  flood: Omit<FloodOrder, "type" | "seconds">,
): Promise<{ readonly count: number; readonly findings: readonly Finding[] }> {
  const { gateway, scale } = scene;
  const count = Math.round(ASKERS * scale.size);
  const before = await scene.memoryMiB();
  const askers = scene.crowd();
  await askers.open({ wsUrl: gateway.wsUrl, count, user: "asker", stalls: true });
  let highest = 0;
  let isOver = false;
  const figures = await scene.bystanders(async () => {
    const looking = (async () => {
      for (; !isOver; await sleep(LOOK_EVERY_MS)) highest = Math.max(highest, await scene.memoryMiB());
    })();
    await askers.flood({ ...flood, seconds: scale.seconds });
    isOver = true;
    await looking;
  });
  return {
    count,
    findings: [
      ...bystanderFindings(figures),
      { what: "memory before", value: `${before.toFixed(0)} MiB` },
      {
        what: "memory at its highest",
        value: `${highest.toFixed(0)} MiB`,
        isKept: highest <= before + BUDGET_MIB + 100,
      },
    ],
  };
}

const UNREAD_PAGES: Attack = {
  name: "unread",
  title: "200 clients ask for the roster of 2,000 members and do not read",
  async run(scene) {
    const members = Math.round(MEMBERS * scene.scale.size);
    await scene.crowd().open({ wsUrl: scene.gateway.wsUrl, count: members, user: "member", rooms: ["square"] });
    const frame = JSON.stringify({ type: "members", room: "square", limit: 1_000, ref: 1 });
    const { findings } = await floodUnread(scene, { frame, perSecond: REQUESTS_PER_SECOND });
    const { limits, transport } = await scene.stats();
    return [
      ...findings,
      { what: "requests refused because answers were unread", value: String(limits["unread-answers"] ?? 0) },
      { what: "requests refused for their receivers", value: String(limits["fan-out"] ?? 0) },
      { what: "cut as slow consumers", value: String(transport.slowConsumersClosed) },
    ];
  },
};

const UNREAD_PONGS: Attack = {
  name: "pings",
  title: "200 clients send 500 pings a second each and do not read",
  async run(scene) {
    const { count, findings } = await floodUnread(scene, {
      frame: "x".repeat(125),
      isPing: true,
      perSecond: PINGS_PER_SECOND,
    });
    const { transport } = await scene.stats();
    const closed = transport.closed.overloaded ?? 0;
    return [
      ...findings,
      { what: `closed for too many pings, of ${count}`, value: String(closed), isKept: closed === count },
      { what: "cut as slow consumers", value: String(transport.slowConsumersClosed) },
    ];
  },
};

export const UNREAD_ATTACKS: readonly Attack[] = [UNREAD_PAGES, UNREAD_PONGS];

import { setTimeout as sleep } from "node:timers/promises";
import { type Attack, bystanderFindings, longestWaitFinding } from "../attack.js";

/** Number of connections opened concurrently. */
const AT_ONCE = 2_000;

/** Maximum time for the gateway to notice that all clients are gone, in seconds. */
const GONE_SECONDS = 30;

/** Number of the bystanders' connections. */
const OTHERS = 5;

export const MASS_RECONNECT: Attack = {
  name: "return",
  title: "9,900 clients lose their connections and come back at once",
  async run(scene) {
    const { gateway, scale } = scene;
    const crowd = scene.crowd();
    const count = Math.round(9_900 * scale.size);
    const order = { wsUrl: gateway.wsUrl, count, user: "guest", rooms: ["square"] };
    const first = await crowd.open(order);
    let came = 0;
    let seconds = 0;
    let unready = 0;
    let isOver = false;
    const figures = await scene.bystanders(async () => {
      await crowd.vanish();
      for (const until = Date.now() + GONE_SECONDS * 1000; Date.now() < until; await sleep(10)) {
        if ((await scene.stats()).transport.connections <= OTHERS) break;
      }
      const watching = (async () => {
        for (; !isOver; await sleep(100)) if (!(await fetch(`${gateway.url}/readyz`)).ok) unready++;
      })();
      const beganAt = performance.now();
      ({ open: came } = await crowd.open({ ...order, atOnce: AT_ONCE }));
      seconds = (performance.now() - beganAt) / 1000;
      isOver = true;
      await watching;
    });
    const { pendingRemovals, transport } = await scene.stats();
    return [
      ...bystanderFindings(figures),
      longestWaitFinding(figures),
      { what: "connected before", value: `${first.open} of ${count}`, isKept: first.open === count },
      { what: "back in their room", value: `${came} of ${count} in ${seconds.toFixed(1)} s`, isKept: came === count },
      { what: "members of rooms", value: String(transport.memberships), isKept: transport.memberships === count },
      { what: "removals that wait at the end", value: String(pendingRemovals) },
      { what: "looks that found it not ready", value: String(unready), isKept: unready === 0 },
    ];
  },
};

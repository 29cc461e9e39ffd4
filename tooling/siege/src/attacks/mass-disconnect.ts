import { setTimeout as sleep } from "node:timers/promises";
import { type Attack, bystanderFindings, longestWaitFinding } from "../attack.js";

const ROOMS = 100;

/** Maximum time for the removals, in seconds. */
const SETTLE_SECONDS = 60;

export const MASS_DISCONNECT: Attack = {
  name: "vanish",
  title: "1,500 clients with 100 rooms each vanish at once",
  async run(scene) {
    const { gateway, scale } = scene;
    const crowd = scene.crowd();
    const count = Math.round(1_500 * scale.size);
    const rooms = Array.from({ length: ROOMS }, (_, index) => `hall-#-${index}`);
    await crowd.open({ wsUrl: gateway.wsUrl, count, user: "guest", rooms, atOnce: 20 });
    let unready = 0;
    let seconds = 0;
    const figures = await scene.bystanders(async () => {
      await sleep(500);
      await crowd.vanish();
      const beganAt = Date.now();
      for (;;) {
        const ready = await fetch(`${gateway.url}/readyz`);
        if (!ready.ok) unready++;
        const { connections, pendingRemovals } = await scene.stats();
        seconds = (Date.now() - beganAt) / 1000;
        if ((connections <= 10 && pendingRemovals === 0) || seconds > SETTLE_SECONDS) break;
        await sleep(100);
      }
      await sleep(1_000);
    });
    return [
      ...bystanderFindings(figures),
      longestWaitFinding(figures),
      { what: "looks that found it not ready", value: String(unready), isKept: unready === 0 },
      { what: "until all are removed", value: `${seconds.toFixed(1)} s`, isKept: seconds <= SETTLE_SECONDS },
    ];
  },
};

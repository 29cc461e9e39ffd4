import { setTimeout as sleep } from "node:timers/promises";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type Attack, bystanderFindings } from "../attack.js";

const BUDGET_MIB = 256;
const FLOW_BYTES = 20_000_000;
const MESSAGE_BYTES = 10_000;

/** The flow takes this many times as long as the floods of other attacks: 44 s by default. */
const FLOW_LENGTHS = 4.4;

/** Size from which glibc returns buffers to the system, in bytes, as docs/operations.md recommends. */
const MMAP_THRESHOLD = "131072";

/** Maximum time for the memory to be released, in seconds. */
const RETURN_SECONDS = 30;

export const STALLED_READERS: Attack = {
  name: "stalled",
  title: "1,000 members that do not read, while 20 MB flow",
  // No other limit restricts the flow, so that only the limit of waiting bytes is tested.
  env: ({ size }) => ({
    MAX_FANOUT_PER_SECOND: "0",
    MAX_FANOUT_PERCENT: "0",
    MAX_REQUESTS_PER_SECOND: "10000",
    MAX_TOTAL_BACKPRESSURE_BYTES: String(Math.round(BUDGET_MIB * size) * 2 ** 20),
    MALLOC_MMAP_THRESHOLD_: MMAP_THRESHOLD,
  }),
  async run(scene) {
    const { gateway, scale } = scene;
    const before = await scene.memoryMiB();
    const crowd = scene.crowd();
    const count = Math.round(1_000 * scale.size);
    await crowd.open({ wsUrl: gateway.wsUrl, count, user: "stalled", rooms: ["stream"], stalls: true });
    const publisher = await CmSocket.open(gateway.wsUrl, "publisher", () => undefined);
    await publisher.do({ type: "join", room: "stream" });
    const data = "x".repeat(MESSAGE_BYTES);
    let highest = 0;
    const figures = await scene.bystanders(async () => {
      const messages = FLOW_BYTES / MESSAGE_BYTES;
      const pauseMs = (1000 * FLOW_LENGTHS * scale.seconds) / messages;
      for (let sent = 0; sent < messages; sent++) {
        publisher.tell({ type: "publish", room: "stream", data, echo: false });
        await sleep(pauseMs);
        if (sent % 10 === 0) highest = Math.max(highest, await scene.memoryMiB());
      }
      await publisher.do({ type: "ping" });
    });
    const { transport } = await scene.stats();
    publisher.terminate();
    await crowd.vanish();
    let left = await scene.memoryMiB();
    const goal = before + 100;
    const until = Date.now() + RETURN_SECONDS * 1000;
    while (left > goal && Date.now() < until) {
      await sleep(500);
      left = await scene.memoryMiB();
    }
    return [
      ...bystanderFindings(figures),
      { what: "MALLOC_MMAP_THRESHOLD_ of the gateway", value: MMAP_THRESHOLD },
      { what: "memory before", value: `${before.toFixed(0)} MiB` },
      {
        what: "memory at its highest",
        value: `${highest.toFixed(0)} MiB`,
        isKept: highest <= before + BUDGET_MIB * scale.size + 100,
      },
      { what: `memory within ${RETURN_SECONDS} s after`, value: `${left.toFixed(0)} MiB`, isKept: left <= goal },
      {
        what: `cut as slow consumers, of ${count}`,
        value: String(transport.slowConsumersClosed),
        isKept: transport.slowConsumersClosed === count,
      },
    ];
  },
};

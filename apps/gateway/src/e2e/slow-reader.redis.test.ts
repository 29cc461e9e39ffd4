import { once } from "node:events";
import { openSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import type WebSocket from "ws";

const FAST = 50;
const BATCH = 8;
const BYTES = 16_000;
/** Maximum number of messages to send: far more than the kernel buffers for a connection. */
const MESSAGES_MAX = 4_000;

/** A member of the room that records the numbers of the messages it received, not their content. */
interface Reader {
  readonly socket: WebSocket;
  readonly numbers: number[];
}

async function openReader(wsUrl: string, user: string): Promise<Reader> {
  const socket = await openSocket(wsUrl, user);
  const numbers: number[] = [];
  socket.send(JSON.stringify({ type: "hello", version: 1 }));
  await once(socket, "message");
  socket.send(JSON.stringify({ type: "join", room: "flood", ref: 1 }));
  await once(socket, "message");
  socket.on("message", (data) => {
    const [, n] = /"data":"(\d+):/.exec(String(data).slice(0, 300)) ?? [];
    numbers.push(Number(n));
  });
  socket.on("error", () => undefined);
  onTestFinished(() => socket.terminate());
  return { socket, numbers };
}

it("closes the one reader of 51 that is too slow for a flood, and gives the others everything once", async () => {
  const cluster = await startGatewayCluster({
    size: 2,
    env: { MAX_BACKPRESSURE_BYTES: "65536", MAX_FRAME_BYTES: "32768", MAX_REQUESTS_PER_SECOND: "100000" },
  });
  onTestFinished(() => cluster.close());
  const [wsUrl = ""] = cluster.wsUrls;
  const [slow, ...fast] = await Promise.all(
    Array.from({ length: FAST + 1 }, (_, i) => openReader(wsUrl, `reader-${i}`)),
  );
  // Connect the sender to the other gateway, so that its own reading does not affect the measurement.
  const sender = await cluster.connect(1, "sender");
  await sender.do({ type: "join", room: "flood" });

  let count = 0;
  const transport = async (index: number): Promise<Record<string, number>> =>
    (await cluster.stats(index)).transport as unknown as Record<string, number>; // The gateway's own format.
  const flood = async (): Promise<void> => {
    const batch = Array.from({ length: BATCH }, () => `${count++}:`.padEnd(BYTES, "x"));
    await Promise.all(batch.map((data) => sender.do({ type: "publish", room: "flood", data, echo: false })));
    // Wait for the fast readers after each batch.
    await eventually(() => expect(fast.filter(({ numbers }) => numbers.length < count)).toEqual([]), {
      intervalMs: 1,
    });
  };
  slow?.socket.pause();
  while ((await transport(0)).slowConsumersClosed === 0 && count < MESSAGES_MAX) await flood();
  for (let more = 0; more < 5; more++) await flood();

  const all = Array.from({ length: count }, (_, i) => i);
  for (const { numbers } of fast) expect(numbers).toEqual(all);
  expect(await transport(0)).toMatchObject({ connections: FAST, slowConsumersClosed: 1 });
  expect((await transport(0)).bytesDiscarded).toBeGreaterThanOrEqual(65_536);
  expect(await transport(1)).toMatchObject({ connections: 1, slowConsumersClosed: 0, bytesDiscarded: 0 });
  // Every message was forwarded once, and none was considered lost.
  expect(await cluster.stats(0)).toMatchObject({ received: count, missed: 0, duplicates: 0, connections: FAST });
  const page = await sender.do({ type: "members", room: "flood" });
  expect(page).toMatchObject({ total: FAST + 1 });

  const closed = once(slow?.socket ?? process, "close");
  slow?.socket.resume();
  expect((await closed)[0]).toBe(1006);
  // The messages that the slow reader received have no gap.
  expect(slow?.numbers).toEqual(all.slice(0, slow?.numbers.length));
  expect(slow?.numbers.length).toBeLessThan(count - 5 * BATCH);
}, 60_000);

import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { eventually } from "@cm/test-kit";
import { Redis } from "ioredis";
import { expect, it, onTestFinished } from "vitest";

const PUBLISHERS = 12;
const numbers = Array.from({ length: PUBLISHERS }, (_, i) => i);

it("carries what twelve members publish in one turn in at most two messages of Redis, answers each, and leaves each sender out of its own", async () => {
  const cluster = await startGatewayCluster({ size: 2 });
  onTestFinished(() => cluster.close());
  const [publishers, listener] = await Promise.all([
    Promise.all(numbers.map((i) => cluster.connect(0, `publisher-${i}`))),
    cluster.connect(1, "listener"),
  ]);
  for (const socket of [...publishers, listener]) await socket.do({ type: "join", room: "lobby" });
  const recorder = new Redis(cluster.redisUrl);
  onTestFinished(() => recorder.disconnect());
  let carried = 0;
  recorder.on("pmessageBuffer", () => carried++);
  await recorder.psubscribe(`${cluster.prefix}:*:room:lobby`);

  // The paused gateway finds the requests of all sockets in the same turn.
  cluster.gateways[0]?.pause();
  const answers = publishers.map((socket, i) =>
    socket.ask({ type: "publish", room: "lobby", data: i, echo: i % 2 === 0 }),
  );
  cluster.gateways[0]?.resume();
  for (const answer of await Promise.all(answers)) expect(answer.type).toBe("ack");

  await eventually(() => expect(listener.messages("lobby")).toHaveLength(PUBLISHERS));
  const order = listener.messages("lobby");
  expect(order.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers);
  for (const [i, socket] of publishers.entries()) {
    const expected = i % 2 === 0 ? order : order.filter((data) => data !== i);
    await eventually(() => expect(socket.messages("lobby")).toEqual(expected));
  }
  await eventually(() => expect(carried).toBeGreaterThan(0));
  expect(carried).toBeLessThanOrEqual(2);
});

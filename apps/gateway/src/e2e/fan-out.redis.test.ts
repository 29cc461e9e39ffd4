import type { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { expect, it, onTestFinished } from "vitest";

/** Number of rooms or users that the messages are spread over, so that each gets few of them. */
const SPREAD = 12;

/** Number of members of each room, and of connections of each user, and of messages to each. */
const RECEIVERS = 10;
const MESSAGES = 5;

/** Starts two gateways with a sender on the first. */
async function twoGateways() {
  const env = { MAX_FANOUT_PER_SECOND: "20", MAX_FANOUT_PERCENT: "0" };
  const cluster = await startGatewayCluster({ size: 2, env });
  onTestFinished(() => cluster.close());
  return { cluster, sender: await cluster.connect(0, "sender") };
}

/** Makes `MESSAGES` requests to each target, 10 ms apart. Returns how many were refused with `rate-limited`. */
async function refusalsOf(sender: CmSocket, requestTo: (target: number) => Parameters<CmSocket["ask"]>[0]) {
  const answers = await Promise.all(
    Array.from({ length: MESSAGES * SPREAD }, async (_, index) => {
      await new Promise((resolve) => setTimeout(resolve, index * 10));
      return sender.ask(requestTo(index % SPREAD));
    }),
  );
  return answers.filter((answer) => answer.type === "error" && answer.code === "rate-limited").length;
}

it("limits a sender whose messages are spread over rooms with members on another server only", async () => {
  const { cluster, sender } = await twoGateways();
  const members = await Promise.all(Array.from({ length: RECEIVERS }, (_, index) => cluster.connect(1, `u${index}`)));
  for (let room = 0; room < SPREAD; room++) {
    for (const socket of [sender, ...members]) await socket.do({ type: "join", room: `room-${room}` });
  }
  const refusals = await refusalsOf(sender, (room) => ({ type: "publish", room: `room-${room}`, data: 1 }));
  expect(refusals).toBeGreaterThan(20);
});

it("limits a sender whose messages are spread over users with connections on another server only", async () => {
  const { cluster, sender } = await twoGateways();
  const connections = Array.from({ length: SPREAD * RECEIVERS }, (_, index) => index);
  await Promise.all(connections.map((index) => cluster.connect(1, `user-${index % SPREAD}`)));
  const refusals = await refusalsOf(sender, (user) => ({ type: "send", user: `user-${user}`, data: 1 }));
  expect(refusals).toBeGreaterThan(20);
});

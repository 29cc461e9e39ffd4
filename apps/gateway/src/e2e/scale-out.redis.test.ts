import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

const ROOMS = 24;
/** Two members per room, on different gateways if there are several. */
const MEMBERS = 2;
const EACH = 5;
const PUBLISHED = ROOMS * MEMBERS * EACH;

it.each([1, 2, 4])("delivers to each of %i gateways only the messages of rooms with members there", async (size) => {
  const cluster = await startGatewayCluster({ size });
  onTestFinished(() => cluster.close());
  const sockets = await Promise.all(
    Array.from({ length: ROOMS * MEMBERS }, async (_, i) => {
      const [room, seat] = [i % ROOMS, Math.floor(i / ROOMS)];
      const socket = await cluster.connect((room + seat) % size, `user-${i}`);
      await socket.do({ type: "join", room: `room-${room}` });
      return { socket, room: `room-${room}` };
    }),
  );
  for (let n = 0; n < EACH; n++) {
    await Promise.all(sockets.map(({ socket, room }) => socket.do({ type: "publish", room, data: n })));
  }
  await eventually(() => {
    for (const { socket } of sockets) expect(socket.messages()).toHaveLength(MEMBERS * EACH);
  });
  // Each gateway gets one copy for all of a room's members there, and none without members.
  const share = Math.min(MEMBERS, size) / size;
  for (let index = 0; index < size; index++) {
    expect(await cluster.stats(index)).toMatchObject({
      received: PUBLISHED * share,
      rooms: ROOMS * share,
      connections: sockets.length / size,
    });
  }
});

import { setTimeout as sleep } from "node:timers/promises";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { HEAP_REPORTS, heapBytes } from "@cm/gateway-kit/processes/heap-report";
import { eventually } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { type CountingRelay, redisCommands, startCountingRelay } from "./counting-relay.fixture.js";

/**
 * Turns off the periodic work of a gateway, except the probe of its link to Redis, and the limits that count
 * receivers, which read the sizes of rooms at times that depend on the clock.
 */
const QUIET: Readonly<Record<string, string>> = {
  HEARTBEAT_INTERVAL_MS: "600000",
  HEARTBEAT_TTL_SECONDS: "3600",
  DEAD_AFTER_MS: "0",
  CLEANUP_INTERVAL_MS: "86400000",
  PING_INTERVAL_MS: "0",
  MAX_REQUESTS_PER_SECOND: "0",
  MAX_FANOUT_PER_SECOND: "0",
  MAX_FANOUT_PERCENT: "0",
};

const DATA = "x".repeat(198);

/**
 * Bytes of a message on the bus besides the frame and the id of the server: version, kind, sequencer, sequence and
 * lengths.
 */
const BUS_HEADER_BYTES = 25;

/** Bytes of a frame besides the names of room, connection and user, and the data. */
const FRAME_BYTES = 73;

/** Bytes of a WebSocket header before 126 to 65,535 bytes. */
const WEBSOCKET_HEADER_BYTES = 4;

const LISTENERS = 3;

/** Starts one gateway between two relays: one to Redis, and one to the gateway's clients. */
async function startMeasuredGateway(env: Readonly<Record<string, string>> = {}) {
  const redis = await startCountingRelay(Number(new URL(inject("redisUrl")).port));
  const url = `redis://127.0.0.1:${redis.port}`;
  const cluster = await startGatewayCluster({ size: 1, redis: { url }, env: { ...QUIET, ...env } });
  onTestFinished(() => cluster.close());
  const [gateway] = cluster.gateways;
  if (gateway === undefined) throw new Error("There is no gateway.");
  const connectVia = async (user: string, relay?: CountingRelay) =>
    CmSocket.open(`ws://127.0.0.1:${relay?.port ?? gateway.port}/ws`, user);
  return { redis, gateway, connectVia, relayToGateway: () => startCountingRelay(gateway.port) };
}

/** The commands in one write to Redis. */
type Write = readonly string[];

/** Takes the writes to Redis that a relay has recorded, without those of the probe. */
function takeWrites(redis: CountingRelay): Write[] {
  return redis.take().flatMap(({ direction, bytes }) => {
    if (direction === "to-client") return [];
    const names = redisCommands(bytes).flatMap(([name = "", ...args]) => {
      const [first = ""] = args.map(String);
      return first.includes(":probe:") || first === "NUMPAT" ? [] : String(name).toLowerCase();
    });
    return names.length === 0 ? [] : [names];
  });
}

/** Waits until each listener has received this many frames. */
async function arrived(listeners: readonly CmSocket[], frames: number): Promise<void> {
  await eventually(() => {
    for (const { received } of listeners) expect(received).toHaveLength(frames);
  });
}

it("costs one round trip to Redis for a hello, a publish, a direct message or a join, and two for a leave", async () => {
  const { redis, connectVia } = await startMeasuredGateway();
  const sender = await connectVia("sender");
  const receiver = await connectVia("receiver");
  const publish = { type: "publish", room: "first", data: DATA };
  const direct = { type: "send", user: "receiver", data: DATA };
  const join = { type: "join", room: "first" };
  const leave = { type: "leave", room: "first" };
  // Each script is sent as text once, at its first use.
  for (const socket of [sender, receiver]) await socket.do(join);
  for (const request of [publish, direct]) await sender.do(request);
  for (const request of [leave, join]) await receiver.do(request);
  await eventually(() => expect(takeWrites(redis)).toEqual([]), { intervalMs: 200 });

  const expectWrites = async (operation: Promise<unknown>, expected: readonly Write[]) => {
    await operation;
    // A leave is answered before its last command. Further commands would count for the next operation.
    const writes: Write[] = [];
    await eventually(() => {
      writes.push(...takeWrites(redis));
      // Writes on different connections may be read in any order.
      expect(writes.toSorted()).toEqual(expected);
    });
  };
  const connecting = connectVia("third");
  await expectWrites(connecting, [["evalsha", "evalsha"]]);
  const third = await connecting;
  await expectWrites(third.do(join), [["evalsha", "evalsha"]]);
  for (let message = 0; message < 3; message++) {
    await expectWrites(sender.do(publish), [["publish"]]);
    // One command reads the user's connections, the other one the servers that hold their lease.
    await expectWrites(sender.do(direct), [["zrange", "evalsha"]]);
  }
  await expectWrites(third.do(leave), [["evalsha"], ["evalsha"]]);
  // The first member of a room also subscribes to its channel, on another connection at the same time.
  await expectWrites(third.do({ type: "join", room: "second" }), [["evalsha", "evalsha"], ["subscribe"]]);
  await expectWrites(sender.do(publish), [["publish"]]);
});

it("adds a header of fixed size to a message on the bus and on a socket, and writes each delivery of a calm room once", async () => {
  const { redis, connectVia, relayToGateway } = await startMeasuredGateway();
  const sender = await connectVia("sender");
  const relays = await Promise.all(Array.from({ length: LISTENERS }, relayToGateway));
  const listeners = await Promise.all(relays.map((relay, index) => connectVia(`listener-${index}`, relay)));
  for (const socket of [sender, ...listeners]) await socket.do({ type: "join", room: "calm" });
  for (const relay of [redis, ...relays]) relay.take();
  for (let message = 1; message <= 10; message++) {
    await sender.do({ type: "publish", room: "calm", data: DATA });
    await arrived(listeners, message);
  }

  const frameBytes = FRAME_BYTES + ["calm", sender.id, "sender", DATA].join("").length;
  const commands = redis
    .take()
    .flatMap(({ direction, bytes }) => (direction === "to-server" ? redisCommands(bytes) : []));
  const published = commands.filter(([, channel]) => String(channel).endsWith(":room:calm"));
  const messageBytes = BUS_HEADER_BYTES + sender.serverId.length + frameBytes;
  expect(published.map(([, , message]) => message?.length)).toEqual(Array(10).fill(messageBytes));
  for (const relay of relays) {
    const deliveries = relay.take().map(({ direction, bytes }) => `${direction} ${bytes.length}`);
    expect(deliveries).toEqual(Array(10).fill(`to-client ${frameBytes + WEBSOCKET_HEADER_BYTES}`));
  }
});

it("needs less than half a write a delivery in a hot room", async () => {
  const { connectVia, relayToGateway } = await startMeasuredGateway();
  const sender = await connectVia("sender");
  const relay = await relayToGateway();
  const listener = await connectVia("listener", relay);
  for (const socket of [sender, listener]) await socket.do({ type: "join", room: "hot" });
  let sent = 0;
  const writesADelivery = async () => {
    relay.take();
    const before = sent;
    while (sent < before + 400) {
      sender.tell({ type: "publish", room: "hot", data: sent++ });
      await sleep(1);
    }
    await arrived([listener], sent);
    return relay.take().length / 400;
  };
  // A busy machine may send too slowly for a window to open, but not again and again.
  const shares: number[] = [];
  for (let round = 0; round < 3 && !(Math.min(...shares) < 0.5); round++) shares.push(await writesADelivery());
  expect(Math.min(...shares)).toBeLessThan(0.5);
});

it("keeps nothing of 10,000 messages on the heap", async () => {
  const { gateway, connectVia } = await startMeasuredGateway(HEAP_REPORTS);
  const open = (user: string) => CmSocket.open(gateway.wsUrl, user, () => undefined);
  const sender = await connectVia("sender");
  const listeners = await Promise.all(Array.from({ length: LISTENERS }, (_, index) => open(`listener-${index}`)));
  for (const socket of [sender, ...listeners]) await socket.do({ type: "join", room: "busy" });
  const send = async (count: number) => {
    for (let index = 0; index < count; index += 50) {
      const burst = Array.from({ length: 50 }, () => sender.do({ type: "publish", room: "busy", data: DATA }));
      await Promise.all(burst);
    }
  };
  await send(2_000);
  const before = await heapBytes(gateway);
  await send(10_000);
  // The size differs by up to 250,000 bytes from one garbage collection to the next.
  expect((await heapBytes(gateway)) - before).toBeLessThan(500_000);
});

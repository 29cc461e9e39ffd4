import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type GatewayCluster, startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { askRedis, eventually, startRedis } from "@cm/test-kit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let redis: Awaited<ReturnType<typeof startRedis>>;
let cluster: GatewayCluster;
const sockets: CmSocket[] = [];

beforeEach(async () => {
  redis = await startRedis();
  cluster = await startGatewayCluster({
    redis,
    size: 2,
    env: { RECOVERABLE_ROOMS: "chat:, game:" },
  });
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await cluster.close();
  await redis.close();
});

async function open(gateway: number, user: string): Promise<CmSocket> {
  const socket = await CmSocket.open(cluster.wsUrls[gateway] ?? "", user);
  sockets.push(socket);
  return socket;
}

const ROOM = "chat:1";
const publish = (socket: CmSocket, data: unknown, room = ROOM) => socket.do({ type: "publish", room, data });

/** The position in a response or a message. */
function positionOf(frame: object | undefined): { readonly epoch: unknown; readonly offset: unknown } {
  return { epoch: undefined, offset: undefined, ...frame };
}

function join(socket: CmSocket, since?: object, room = ROOM): Promise<object> {
  return socket.do({ type: "join", room, ...(since === undefined ? {} : { since }) });
}

describe("a client of a recoverable room", () => {
  it("gets the room's position, and the position of each message", async () => {
    const [ann, bob] = [await open(0, "ann"), await open(1, "bob")];
    const { epoch, offset } = positionOf(await join(ann));
    expect(epoch).toBeGreaterThan(0);
    expect(offset).toBe(0);
    await publish(ann, "one");
    expect(positionOf(await join(bob))).toMatchObject({ epoch, offset: 1 });
    await publish(bob, "two");
    await eventually(() => expect(ann.received).toHaveLength(2));
    expect(ann.received).toEqual([
      { type: "message", room: ROOM, epoch, offset: 1, from: { connection: ann.id, user: "ann" }, data: "one" },
      { type: "message", room: ROOM, epoch, offset: 2, from: { connection: bob.id, user: "bob" }, data: "two" },
    ]);
    // The connection is in the room already, so it only gets the current position.
    expect(await join(ann, { epoch, offset: 0 })).toEqual({ type: "ack", ref: expect.anything(), epoch, offset: 2 });
  });

  it("that resumes on another server gets the missed messages in order, before anything newer, and nothing twice", async () => {
    const [ann, bob] = [await open(0, "ann"), await open(1, "bob")];
    await Promise.all([join(ann), join(bob)]);
    await publish(bob, 1);
    await eventually(() => expect(ann.messages()).toEqual([1]));
    const last = positionOf(ann.received[0]);
    ann.terminate();
    for (const n of [2, 3, 4]) await publish(bob, n);
    const again = await open(1, "ann");
    const publishing = Promise.all([5, 6, 7, 8, 9].map((n) => publish(bob, n)));
    const answer = await join(again, { epoch: last.epoch, offset: last.offset });
    expect(answer).toMatchObject({ type: "ack", recovered: true, epoch: last.epoch });
    await publishing;
    await eventually(() => expect(again.messages()).toEqual([2, 3, 4, 5, 6, 7, 8, 9]));
  });

  it("is notified if not all missed messages can be recovered: too many, another epoch, lost", async () => {
    const [ann, bob] = [await open(0, "ann"), await open(1, "bob")];
    const begin = positionOf(await join(ann));
    const since = { epoch: begin.epoch, offset: begin.offset };
    // A client is sent at most half of the backpressure limit at once.
    const large = "x".repeat(15_000);
    for (let i = 0; i < 5; i++) await Promise.all(Array.from({ length: 8 }, () => publish(ann, large)));
    expect(await join(bob, since)).toMatchObject({ recovered: false, epoch: begin.epoch, offset: 40 });
    await bob.do({ type: "leave", room: ROOM });
    expect(await join(bob, { ...since, epoch: since.epoch === 7 ? 8 : 7 })).toMatchObject({ recovered: false });
    await bob.do({ type: "leave", room: ROOM });
    expect(bob.received).toEqual([]);
    await askRedis(redis.port, "FLUSHALL");
    // Another member of bob's server receives a message once that server has noticed the new history.
    const cem = await open(1, "cem");
    await join(cem);
    await publish(ann, "new");
    await eventually(() => expect(cem.messages()).toEqual(["new"]));
    const answer = positionOf(await join(bob, { ...since, offset: 40 }));
    expect(answer).toMatchObject({ recovered: false });
    expect(answer.epoch).not.toBe(since.epoch);
    await publish(ann, "newer");
    expect(answer.offset).toBe(1);
    await eventually(() => expect(bob.messages()).toEqual(["newer"]));
  });

  it("is refused with an invalid position, and is then not a member", async () => {
    const ann = await open(0, "ann");
    for (const since of [
      null,
      7,
      {},
      { epoch: 1 },
      { epoch: 0, offset: 1 },
      { epoch: 1, offset: -1 },
      { epoch: "1", offset: 1 },
    ]) {
      expect(await ann.ask({ type: "join", room: ROOM, since })).toMatchObject({
        type: "error",
        code: "frame-invalid",
      });
    }
    expect(await ann.ask({ type: "publish", room: ROOM, data: 1 })).toMatchObject({ code: "not-a-member" });
  });
});

describe("a client of another room", () => {
  it("gets no positions, and is notified that nothing can be recovered", async () => {
    const [ann, bob] = [await open(0, "ann"), await open(1, "bob")];
    expect(await join(ann, undefined, "lobby")).toEqual({ type: "ack", ref: expect.anything() });
    const answer = await join(bob, { epoch: 1, offset: 1 }, "lobby");
    expect(answer).toEqual({ type: "ack", ref: expect.anything(), recovered: false });
    await publish(bob, 1, "lobby");
    await eventually(() => expect(ann.received).toHaveLength(1));
    expect(Object.keys(ann.received[0] ?? {})).toEqual(["type", "room", "from", "data"]);
  });
});

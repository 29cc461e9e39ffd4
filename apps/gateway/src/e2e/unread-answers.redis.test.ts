import type { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import type { HistoryPosition } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix } from "@cm/test-kit";
import { expect, inject, it, onTestFinished, vi } from "vitest";
import type { GatewayOptions } from "../gateway-options.js";
import { AT_REST, connectIdle, serve as serveLimited } from "./limited-gateway.fixture.js";

const MIB = 1024 * 1024;
const MESSAGE = "x".repeat(900_000);

/** Options without limits, except those of data that a client does not read. */
const UNLIMITED: Partial<GatewayOptions> = {
  maxFrameBytes: MIB,
  maxBackpressureBytes: 4 * MIB,
  maxBytesPerSecond: 0,
  maxRequestsPerSecond: 0,
  maxFanoutPerSecond: 0,
  maxFanoutPercent: 0,
};

/** Starts a gateway whose rooms are recoverable, and counts how often Redis is read for a client. */
async function serve(options: Partial<GatewayOptions> = {}) {
  const store = createRedisStore({ url: inject("redisUrl"), prefix: freshPrefix(), onError: () => undefined });
  await store.start();
  onTestFinished(() => store.close());
  if (store.bus.history === undefined) throw new Error("A Redis store keeps histories.");
  const since = vi.spyOn(store.bus.history, "since");
  const pages = { running: 0, highest: 0 };
  const readPage = store.rooms.members.bind(store.rooms);
  const members = vi.spyOn(store.rooms, "members").mockImplementation(async (...args) => {
    pages.running += 1;
    pages.highest = Math.max(pages.highest, pages.running);
    return readPage(...args).finally(() => {
      pages.running -= 1;
    });
  });
  const gateway = await serveLimited({ ...UNLIMITED, recoverableRooms: ["chat:"], store, ...options });
  return {
    ...gateway,
    /**
     * Number of reads of messages. Reads without a position only look for the end of the history and do not count.
     */
    reads: () => since.mock.calls.filter(([, from]) => from !== undefined).length,
    pageReads: () => members.mock.calls.length,
    pagesAtOnce: () => pages.highest,
  };
}

/** Publishes a large message to the room. Returns the position before it. */
async function fill(publisher: CmSocket, room: string): Promise<HistoryPosition> {
  const { epoch } = (await publisher.do({ type: "join", room })) as { epoch?: number };
  await publisher.do({ type: "publish", room, data: MESSAGE, echo: false });
  return { epoch: epoch ?? 0, offset: 0 };
}

it("a client that does not read what it missed is refused more of it, and Redis is not read for it", async () => {
  const { open, wsUrl, reads, reached, stats } = await serve();
  const since = await fill(await open("ann"), "chat:1");
  const { socket, texts, send } = await connectIdle(wsUrl);
  socket.pause();
  const comeBack = (): void => {
    send({ type: "join", room: "chat:1", since, ref: 1 });
    send({ type: "leave", room: "chat:1", ref: 2 });
  };
  for (let joins = 1; (await reached("unread-answers")) === 0; joins += 1) {
    expect(joins).toBeLessThan(30);
    comeBack();
    await eventually(async () => expect(reads() + (await reached("unread-answers"))).toBe(joins));
  }
  const { transport } = (await stats()) as { transport: { bytesWaiting: number; slowConsumersClosed: number } };
  expect(transport.bytesWaiting).toBeGreaterThan(MIB);
  expect(transport.slowConsumersClosed).toBe(0);
  const before = reads();
  for (let joins = 0; joins < 5; joins += 1) comeBack();
  await eventually(async () => expect(await reached("unread-answers")).toBe(6));
  expect(reads()).toBe(before);
  // Once the client has read, it is served again.
  socket.resume();
  await eventually(() => expect(texts.filter((text) => text.includes('"code":"rate-limited"'))).toHaveLength(6));
  texts.length = 0;
  comeBack();
  await eventually(() => expect(texts[0]).toContain('"recovered":true'));
});

it("a client that comes back to many rooms at once and does not read costs few reads of Redis", async () => {
  const { open, wsUrl, reads } = await serve();
  const ann = await open("ann");
  const rooms = Array.from({ length: 60 }, (_, index) => `chat:${index}`);
  const positions = await Promise.all(rooms.map((room) => fill(ann, room)));
  const { socket, send } = await connectIdle(wsUrl);
  socket.pause();
  for (const [index, room] of rooms.entries()) send({ type: "join", room, since: positions[index], ref: index });
  const other = await open("bob");
  // Recoveries begin in the order of the requests, so when this later one has ended, all of the client's have
  // begun.
  const last = (await other.do({ type: "join", room: "chat:59", since: positions[59] })) as { recovered?: boolean };
  expect(last.recovered).toBe(true);
  // The messages of some rooms fit into the buffers of the system, 16 recoveries run at once, and the last read is
  // the other client's.
  expect(reads()).toBeGreaterThan(1);
  expect(reads()).toBeLessThan(40);
});

it("a client that asks for many roster pages at once gets no more of them than its limit allows", async () => {
  const { open, pageReads } = await serve({ maxFanoutPerSecond: 1, clock: AT_REST });
  const ann = await open("ann");
  await ann.do({ type: "join", room: "hall" });
  const asked = Array.from({ length: 50 }, () => ann.ask({ type: "members", room: "hall" }));
  const pages = (await Promise.all(asked)).filter(({ type }) => type === "members");
  // The cost of a page is known only after it has been read, and two pages are read at a time.
  expect(pages.length).toBeGreaterThan(0);
  expect(pages.length).toBeLessThanOrEqual(2);
  expect(pageReads()).toBe(pages.length);
});

it("many clients that ask for roster pages at once are served a few pages at a time, each at last", async () => {
  const { open, pageReads, pagesAtOnce } = await serve();
  const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => open(`user-${index}`)));
  for (const client of clients) await client.do({ type: "join", room: "hall" });
  const asked = clients.flatMap((client) =>
    Array.from({ length: 10 }, () => client.do({ type: "members", room: "hall" })),
  );
  for (const page of await Promise.all(asked)) expect(page).toMatchObject({ type: "members", total: 20 });
  expect(pageReads()).toBe(200);
  expect(pagesAtOnce()).toBe(4);
});

it("a client that asks for very many roster pages at once is refused what does not wait for its turn", async () => {
  const { open, pageReads, reached } = await serve();
  const ann = await open("ann");
  await ann.do({ type: "join", room: "hall" });
  const answers = await Promise.all(Array.from({ length: 60 }, () => ann.ask({ type: "members", room: "hall" })));
  const refused = answers.filter((answer) => answer.type === "error" && answer.code === "pending-limit");
  const pages = answers.filter(({ type }) => type === "members");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length + pages.length).toBe(60);
  expect(pages.length).toBeGreaterThanOrEqual(18);
  expect(pageReads()).toBe(pages.length);
  expect(await reached("pending")).toBe(refused.length);
  // The next one is served.
  expect(await ann.ask({ type: "members", room: "hall" })).toMatchObject({ type: "members" });
});

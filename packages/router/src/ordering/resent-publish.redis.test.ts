import { createRedisStore } from "@cm/redis-store";
import { eventually, freshPrefix, type RespReply, startFaultProxy, startRedis } from "@cm/test-kit";
import { Redis } from "ioredis";
import { expect, it, onTestFinished } from "vitest";
import { startServer } from "../router.fixture.js";

it.each([
  ["a message", ["once"]],
  ["the messages of one turn", ["once 1", "once 2", "once 3"]],
])(
  "delivers %s once whose PUBLISH reached Redis, was not answered as the link broke, and was sent again",
  async (_, sent) => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const proxy = await startFaultProxy(redis.port);
    onTestFinished(() => proxy.close());
    const prefix = freshPrefix();
    // The application's own clients. `commands` resends commands that got no reply, as ioredis does by default.
    const clients = { commands: new Redis(proxy.port), subscriber: new Redis(redis.url) };
    onTestFinished(() => Object.values(clients).forEach((client) => void client.disconnect()));
    for (const client of Object.values(clients)) client.on("error", () => undefined);
    const sender = await startServer("a", createRedisStore({ clients, prefix, onError: () => undefined }));
    const receiver = await startServer("b", createRedisStore({ url: redis.url, prefix }));
    await receiver.router.enter("lobby");
    await sender.router.toRoom("lobby", "before");

    const calls = async (): Promise<number> => publishCalls(await redis.ask("INFO", "commandstats"));
    const texts = (): string[] => receiver.sockets.rooms.map((message) => message.text);
    await eventually(() => expect(texts()).toEqual(["before"]));
    // Redis receives the command, its reply is held back, and then the connection breaks.
    for (const link of proxy.links) link.set({ kind: "hang", drop: "to-client" });
    const outcomes = sent.map((text) =>
      sender.router.toRoom("lobby", text).then(
        () => "done",
        () => "failed",
      ),
    );
    await eventually(() => expect(texts()).toEqual(["before", ...sent]));
    const sentOnce = await calls();
    for (const link of proxy.links) link.reset();

    // Verify that the publish was sent twice; otherwise the rest would prove nothing.
    await eventually(async () => expect(await calls()).toBeGreaterThan(sentOnce));
    await eventually(() => expect(receiver.router.stats().duplicates).toBe(sent.length));
    expect(await Promise.all(outcomes)).toEqual(sent.map(() => "done"));
    await sender.router.toRoom("lobby", "after");
    await eventually(() => expect(texts()).toEqual(["before", ...sent, "after"]));
    expect(receiver.gaps).toEqual([]);
  },
);

function publishCalls(info: RespReply): number {
  return Number(/cmdstat_publish:calls=(\d+)/.exec(String(info))?.[1] ?? 0);
}

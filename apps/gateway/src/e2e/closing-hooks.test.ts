import { eventually } from "@cm/test-kit";
import { expect, it } from "vitest";
import { connect, serve } from "./embedded-gateway.fixture.js";

const USERS = ["a", "b", "c", "d", "e"];

it("onClose is called for a bounded number of connections at once, in order, and refuses no request", async () => {
  const called: string[] = [];
  const releases: (() => void)[] = [];
  const { port, errors } = await serve({
    maxPendingHooks: 2,
    hookTimeoutMs: 20_000,
    onJoin: async () => undefined,
    onClose: async ({ userId }) => {
      called.push(userId);
      await new Promise<void>((resolve) => releases.push(resolve));
    },
  });
  const ada = await connect(port, "ada");
  await ada.hello();
  for (const user of USERS) {
    const client = await connect(port, user);
    await client.hello();
    client.socket.close();
    await eventually(() => expect(client.closed()).toBeDefined());
  }
  await eventually(() => expect(called).toEqual(["a", "b"]));
  expect(await ada.ask({ type: "join", room: "r" })).toMatchObject({ type: "ack" });
  expect(called).toEqual(["a", "b"]);
  for (const count of [3, 4, 5]) {
    releases.shift()?.();
    await eventually(() => expect(called).toEqual(USERS.slice(0, count)));
  }
  for (const release of releases) release();
  expect(errors).toEqual([]);
});

it("onClose that never answers is logged after its time, and the next connections have their turn", async () => {
  const called: string[] = [];
  const { port, logged, errors } = await serve({
    maxPendingHooks: 1,
    onClose: ({ userId }) => {
      called.push(userId);
      if (userId === "b") throw new Error("no such session");
      return new Promise(() => undefined);
    },
  });
  const clients = await Promise.all(USERS.map((user) => connect(port, user)));
  for (const client of clients) {
    await client.hello();
    client.socket.close();
  }
  await eventually(() => expect(called.toSorted()).toEqual(USERS));
  await eventually(() => expect(logged.toSorted()).toEqual(["a hook failed: internal", "a hook failed: timeout"]));
  for (const { hook } of errors) expect(hook).toBe("onClose");
});

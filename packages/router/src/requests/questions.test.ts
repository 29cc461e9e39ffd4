import { createMemoryHub, createMemoryStore, type MemoryHub } from "@cm/memory-store";
import { QUESTION_MAX_BYTES } from "@cm/protocol";
import { beforeEach, describe, expect, it } from "vitest";
import { createRouter } from "../bus-router.js";
import type { RouterOptions } from "../options.js";
import { bytes, type Server, startServer, text } from "../router.fixture.js";

const IN_TIME = { timeoutMs: 10_000 };

/** A handler that never settles. */
const stuck = (): Promise<never> => new Promise(() => undefined);

describe("questions to the whole cluster", () => {
  let hub: MemoryHub;

  beforeEach(() => {
    hub = createMemoryHub();
  });

  const start = (id: string, options?: Partial<RouterOptions>): Promise<Server> =>
    startServer(id, createMemoryStore({ hub }), options);

  const echo = (id: string): Partial<RouterOptions> => ({
    onQuestion: async (question) => bytes(`${id}: ${text(question)}`),
  });

  it("bring every living server's answer, this one's too", async () => {
    const [a] = [await start("a", echo("a")), await start("b", echo("b")), await start("c", echo("c"))];
    const { answers, missing } = await a.router.ask(bytes("how many?"), IN_TIME);
    expect(missing).toEqual([]);
    expect([...answers].map(([id, answer]) => [id, text(answer)]).sort()).toEqual([
      ["a", "a: how many?"],
      ["b", "b: how many?"],
      ["c", "c: how many?"],
    ]);
  });

  it("name the servers that are silent, gone, failing or exceed the answer size", async () => {
    const a = await start("a", echo("a"));
    await start("fails", { onQuestion: () => Promise.reject(new Error("no")) });
    await start("stuck", { onQuestion: stuck });
    await start("large", { onQuestion: async () => new Uint8Array(QUESTION_MAX_BYTES + 1) });
    const gone = await start("gone");
    // The server dies, but its lease stays valid for a while.
    await gone.router.close();
    const { answers, missing } = await a.router.ask(bytes("?"), { timeoutMs: 200 });
    expect([...answers.keys()]).toEqual(["a"]);
    expect([...missing].sort()).toEqual(["fails", "gone", "large", "stuck"]);
  });

  it("are bounded: 32 at a time, and the next when one of them has settled", async () => {
    const a = await start("a", { onQuestion: stuck });
    const running = Array.from({ length: 32 }, () => a.router.ask(bytes("?"), { timeoutMs: 200 }));
    await expect(a.router.ask(bytes("?"), IN_TIME)).rejects.toMatchObject({ code: "pending-limit" });
    for (const { missing } of await Promise.all(running)) expect(missing).toEqual(["a"]);
    expect((await a.router.ask(bytes("?"), { timeoutMs: 50 })).missing).toEqual(["a"]);
  });

  it("name this very server if it has no answer", async () => {
    const a = await start("a");
    expect(await a.router.ask(bytes("?"), IN_TIME)).toEqual({ answers: new Map(), missing: ["a"] });
  });

  it("are refused as a whole where too many wait, where they are too large, and without a registry", async () => {
    const a = await start("a", { ...echo("a"), maxPending: 1 });
    await start("b", echo("b"));
    await start("c", echo("c"));
    await expect(a.router.ask(bytes("?"), IN_TIME)).rejects.toMatchObject({ code: "pending-limit" });
    const large = a.router.ask(new Uint8Array(QUESTION_MAX_BYTES + 1), IN_TIME);
    await expect(large).rejects.toMatchObject({ code: "payload-too-large" });
    const { bus, users } = a.store;
    const alone = createRouter({ serverId: "d", store: { bus, users }, local: a.sockets });
    await alone.start();
    await expect(alone.ask(bytes("?"), IN_TIME)).rejects.toMatchObject({ code: "options-invalid" });
  });
});

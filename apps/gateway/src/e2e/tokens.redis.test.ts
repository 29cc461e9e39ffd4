import { Rights, type RightsClaim } from "@cm/auth";
import { CLOSE_CODES } from "@cm/protocol";
import { eventually, freshPrefix } from "@cm/test-kit";
import { describe, expect, inject, it } from "vitest";
import { causesOf } from "../log/logged-error.js";
import { connect, connectWith, refusal, serve, serveCounting, tokenFor, tokenIssued } from "./token-clients.fixture.js";

describe("an upgrade with a token", () => {
  it("is refused for now if the keys can't be had, which is logged with the cause", async () => {
    const errors: { readonly code: unknown; readonly causes: string }[] = [];
    const { port } = await serve({
      tokens: { jwksUrl: "http://127.0.0.1:9/jwks", jwksTimeoutMs: 500 },
      logger: {
        info: () => undefined,
        warn: () => undefined,
        error: ({ err, code }) => void errors.push({ code, causes: causesOf(err) }),
      },
    });
    const [header, ...rest] = (await tokenFor("ada")).split(".");
    const rs256 = Buffer.from('{"alg":"RS256","kid":"k"}').toString("base64url");
    expect(header).not.toBe(rs256);
    const token = [rs256, ...rest].join(".");
    expect(await refusal(port, token)).toEqual([503, "unavailable", false]);
    expect(errors).toEqual([{ code: "unavailable", causes: expect.stringContaining("fetch failed") }]);
    expect(errors[0]?.causes).not.toContain(rest[0]);
  });
});

describe("rights", () => {
  it("allow what they list and nothing else", async () => {
    const { port } = await serve();
    const rights = { join: ["lobby", "inbox:{user}"], publish: ["lobby"], members: ["lobby"], send: ["bob"] };
    const ada = await connect(port, "ada", { rights });
    const bob = await connect(port, "bob");
    expect(await ada.outcome({ type: "join", room: "lobby" })).toBe("ack");
    expect(await ada.outcome({ type: "join", room: "inbox:ada" })).toBe("ack");
    expect(await ada.outcome({ type: "publish", room: "lobby", data: 1 })).toBe("ack");
    expect(await ada.outcome({ type: "members", room: "lobby" })).toBe("members");
    expect(await ada.outcome({ type: "send", user: "bob", data: 1 })).toBe("ack");
    for (const denied of [
      { type: "join", room: "inbox:bob" },
      { type: "publish", room: "inbox:ada", data: 1 },
      { type: "members", room: "inbox:ada" },
      { type: "send", user: "ada", data: 1 },
      { type: "send", connection: "gw.abcd80", data: 1 },
    ]) {
      expect(await ada.outcome(denied), JSON.stringify(denied)).toBe("forbidden");
    }
    expect(await bob.outcome({ type: "join", room: "lobby" })).toBe("forbidden");
    await eventually(() => expect(bob.of("direct")).toHaveLength(1));
  });

  it("hide presence from a client without that right", async () => {
    const { port } = await serve();
    const blind = await connect(port, "ada", { rights: { send: ["*"] } });
    const seeing = await connect(port, "eve", { rights: { send: ["*"], presence: ["b*"] } });
    const bob = await connect(port, "bob");
    const send = (user: string) => ({ type: "send", user, data: 1 });
    expect(await blind.ask(send("bob"))).toMatchObject({ type: "ack", outcome: "sent" });
    expect(await blind.ask(send("bo"))).toMatchObject({ type: "ack", outcome: "sent" });
    expect(await blind.ask({ type: "send", connection: "gw.abcd80", data: 1 })).toMatchObject({ outcome: "sent" });
    expect(await seeing.ask(send("bob"))).toMatchObject({ type: "ack", outcome: "delivered" });
    expect(await seeing.outcome(send("bo"))).toBe("not-found");
    expect(await seeing.ask(send("carl"))).toMatchObject({ type: "ack", outcome: "sent" });
    await eventually(() => expect(bob.of("direct")).toHaveLength(2));
  });

  it("come before the application's hook, which can deny what they allow", async () => {
    const asked: string[] = [];
    const { port } = await serve({
      onJoin: (_, { room }) => {
        asked.push(room);
        return room === "b" ? { refuse: "not-found" } : undefined;
      },
    });
    const ada = await connect(port, "ada", { rights: { join: ["a", "b"] } });
    expect(await ada.outcome({ type: "join", room: "a" })).toBe("ack");
    expect(await ada.outcome({ type: "join", room: "b" })).toBe("not-found");
    expect(await ada.outcome({ type: "join", room: "c" })).toBe("forbidden");
    expect(asked).toEqual(["a", "b"]);
  });
});

describe("a token of a live connection", () => {
  it("is replaced in time, and the connection lives on", async () => {
    const { port } = await serve({ tokenWarningMs: 3_600_000, tokenGraceMs: 0 });
    const ada = await connect(port, "ada", { ttlMs: 1_000 });
    await eventually(() => expect(ada.of("token-expiring")).toHaveLength(1));
    const [{ expiresInMs } = {}] = ada.of("token-expiring");
    expect(expiresInMs).toBeGreaterThan(0);
    expect(expiresInMs).toBeLessThanOrEqual(2_000);
    const answer = await ada.ask({ type: "refresh", token: await tokenFor("ada", { ttlMs: 60_000 }) });
    expect(answer).toMatchObject({ type: "ack", expiresInMs: expect.any(Number) });
    expect(Number(answer.expiresInMs)).toBeGreaterThan(50_000);
    await new Promise((resolve) => setTimeout(resolve, 2_050));
    expect(await ada.outcome({ type: "ping" })).toBe("pong");
  });

  it("expires in a whole number of milliseconds, whatever the fraction of its expiry", async () => {
    const user = (inMs: number) => ({ userId: "ada", expiresAtMs: Math.floor(Date.now()) + inMs + 0.5 });
    const { port } = await serve({ tokens: undefined, authenticate: () => user(30_000), refresh: () => user(60_000) });
    const ada = await connect(port, "ada");
    await eventually(() => expect(ada.of("token-expiring")).toHaveLength(1));
    const answers = [...ada.of("token-expiring"), await ada.ask({ type: "refresh", token: "x" })];
    for (const { expiresInMs } of answers) expect(expiresInMs).toSatisfy(Number.isInteger);
  });

  it("that is not replaced ends the connection with 4001 after its grace, not before", async () => {
    const { port } = await serve({ tokenGraceMs: 500 });
    const expiresAt = Date.now() + 1_000;
    const ada = await connect(port, "ada", { ttlMs: 1_000 });
    expect(await ada.outcome({ type: "refresh", token: "nonsense" })).toBe("unauthorized");
    await eventually(() => expect(ada.closed()).toBe(CLOSE_CODES.unauthorized));
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt + 500);
  });

  it("makes no other user of it", async () => {
    const { port } = await serve();
    const ada = await connect(port, "ada");
    expect(await ada.outcome({ type: "refresh", token: await tokenFor("bob", { rights: { join: ["*"] } }) })).toBe(
      "forbidden",
    );
    expect(await ada.outcome({ type: "join", room: "lobby" })).toBe("forbidden");
  });

  it("with fewer rights ends messages of a room at once, even while publishes wait for a hook", async () => {
    let asked = 0;
    let allow: () => void = () => undefined;
    const { port } = await serve({
      hookTimeoutMs: 20_000,
      onPublish: ({ userId }) => {
        if (userId === "bob") return undefined;
        asked++;
        return new Promise<void>((resolve) => {
          allow = resolve;
        });
      },
    });
    const rights = { join: ["*"], publish: ["*"] };
    const ada = await connect(port, "ada", { rights });
    const bob = await connect(port, "bob", { rights });
    for (const member of [ada, bob]) expect(await member.outcome({ type: "join", room: "a" })).toBe("ack");
    const published = [1, 2, 3].map((data) => ada.outcome({ type: "publish", room: "a", data }));
    await eventually(() => expect(asked).toBe(1));
    const token = await tokenFor("ada", { rights: { join: ["b"], publish: ["*"] } });
    const refreshed = ada.outcome({ type: "refresh", token });
    // The join is refused as soon as the new token applies.
    await eventually(async () => expect(await ada.outcome({ type: "join", room: "c" })).toBe("forbidden"));
    expect(await bob.outcome({ type: "publish", room: "a", data: "secret" })).toBe("ack");
    await eventually(() => expect(bob.of("message")).toHaveLength(1));
    expect(await ada.outcome({ type: "ping" })).toBe("pong");
    expect(ada.of("message")).toEqual([]);
    allow();
    expect(await Promise.all(published)).toEqual(["forbidden", "forbidden", "forbidden"]);
    expect(await refreshed).toBe("ack");
    expect(ada.of("removed")).toContainEqual({ type: "removed", room: "a", code: "forbidden" });
    expect(asked).toBe(1);
  });

  it("with fewer rights removes it from rooms at once, and says so", async () => {
    const { port, gateway } = await serve();
    const all = { join: ["*"], publish: ["*"] };
    const ada = await connect(port, "ada", { rights: all });
    const bob = await connect(port, "bob", { rights: all });
    for (const room of ["a", "b"]) {
      for (const member of [ada, bob]) expect(await member.outcome({ type: "join", room })).toBe("ack");
    }
    const token = await tokenFor("ada", { rights: { join: ["a"] } });
    expect(await ada.outcome({ type: "refresh", token })).toBe("ack");
    expect(ada.of("removed")).toEqual([{ type: "removed", room: "b", code: "forbidden" }]);
    expect(await bob.outcome({ type: "publish", room: "b", data: "secret" })).toBe("ack");
    expect(await bob.outcome({ type: "publish", room: "a", data: "open" })).toBe("ack");
    await eventually(() => expect(ada.of("message").map(({ data }) => data)).toEqual(["open"]));
    expect(await ada.outcome({ type: "publish", room: "a", data: 1 })).toBe("forbidden");
    expect(await ada.outcome({ type: "publish", room: "b", data: 1 })).toBe("not-a-member");
    expect(await gateway.node.store.rooms.count("b")).toBe(1);
  });

  it("is not replaced by an older one, which would give taken-away rights back", async () => {
    const { port, tokensRefused } = await serveCounting();
    const old = tokenIssued(-60, { cm: { join: ["*"] } });
    const ada = await connectWith(port, old);
    expect(await ada.outcome({ type: "refresh", token: await tokenFor("ada") })).toBe("ack");
    const undated = tokenIssued(undefined, { cm: { join: ["*"] } });
    for (const token of [old, undated]) expect(await ada.outcome({ type: "refresh", token })).toBe("unauthorized");
    expect(await ada.outcome({ type: "join", room: "r" })).toBe("forbidden");
    expect(await tokensRefused()).toEqual({ replayed: 2 });
    // A token of the same second is accepted: times in tokens have a resolution of one second.
    expect(await ada.outcome({ type: "refresh", token: tokenIssued(1, { cm: { join: ["*"] } }) })).toBe("ack");
    expect(await ada.outcome({ type: "refresh", token: tokenIssued(1, { cm: { join: ["r"] } }) })).toBe("ack");
    expect(await ada.outcome({ type: "join", room: "r" })).toBe("ack");
  });

  it("without an issue time is replaced by any other, with such a time or without", async () => {
    const { port } = await serve();
    const ada = await connectWith(port, tokenIssued(undefined));
    expect(await ada.outcome({ type: "refresh", token: tokenIssued(undefined) })).toBe("ack");
    expect(await ada.outcome({ type: "refresh", token: tokenIssued(-60) })).toBe("ack");
    expect(await ada.outcome({ type: "refresh", token: tokenIssued(-90) })).toBe("unauthorized");
  });

  it("is replaced by the one that was handed in last, however long each takes to be judged", async () => {
    let slow = true;
    const { port } = await serve({
      tokens: undefined,
      authenticate: () => ({ userId: "ada" }),
      refresh: async (token) => {
        if (slow) await new Promise((resolve) => setTimeout(resolve, 200));
        slow = false;
        const parsed = Rights.parse({ join: [token] }, "ada");
        return { userId: "ada", ...(parsed.ok ? { rights: parsed.value } : {}) };
      },
    });
    const ada = await connect(port, "ada");
    const [first, second] = [
      ada.outcome({ type: "refresh", token: "a" }),
      ada.outcome({ type: "refresh", token: "b" }),
    ];
    expect(await Promise.all([first, second])).toEqual(["ack", "ack"]);
    expect(await ada.outcome({ type: "join", room: "a" })).toBe("forbidden");
    expect(await ada.outcome({ type: "join", room: "b" })).toBe("ack");
  });

  it("that is never judged is answered within the time for hooks", async () => {
    const { port, tokensRefused } = await serveCounting({
      tokens: undefined,
      authenticate: () => ({ userId: "ada" }),
      refresh: () => new Promise(() => undefined),
      hookTimeoutMs: 200,
    });
    const ada = await connect(port, "ada");
    expect(await ada.outcome({ type: "refresh", token: "a" })).toBe("timeout");
    expect(await tokensRefused()).toEqual({ unavailable: 1 });
  });

  it("is not taken by a gateway that does not authenticate by tokens", async () => {
    const { port } = await serve({ tokens: undefined, authenticate: () => ({ userId: "ada" }) });
    const ada = await connect(port, "ada");
    expect(await ada.outcome({ type: "refresh", token: "x" })).toBe("operation-unknown");
  });
});

describe("a revocation", () => {
  const shared = () => ({ redisUrl: inject("redisUrl"), redisPrefix: freshPrefix() });

  it("of a user closes its connections on all servers, refuses its tokens so far and takes new ones", async () => {
    const options = shared();
    const [here, there] = await Promise.all([serve(options), serve(options)]);
    const old = await tokenFor("ada");
    const ada = await Promise.all([connect(here.port, "ada"), connect(there.port, "ada")]);
    const bob = await connect(there.port, "bob");
    expect(await here.gateway.revoke({ userId: "ada" })).toEqual({ closed: 2, missing: [] });
    await eventually(() => expect(ada.map((each) => each.closed())).toEqual([4001, 4001]));
    expect(await refusal(there.port, old)).toEqual([401, "unauthorized", false]);
    expect(await bob.outcome({ type: "ping" })).toBe("pong");
    // A new token is accepted once it is issued in a later second than the revocation.
    await eventually(async () => {
      const again = await connect(there.port, "ada");
      expect(await again.outcome({ type: "ping" })).toBe("pong");
    });
  });

  it("of a token closes its connections, and refuses it in a refresh too", async () => {
    const { port, gateway } = await serve();
    const ada = await connect(port, "ada", { tokenId: "t1" });
    const other = await connect(port, "ada", { tokenId: "t2" });
    expect(await gateway.revoke({ tokenId: "t1" })).toEqual({ closed: 1, missing: [] });
    await eventually(() => expect(ada.closed()).toBe(4001));
    expect(await other.outcome({ type: "refresh", token: await tokenFor("ada", { tokenId: "t1" }) })).toBe(
      "unauthorized",
    );
    expect(await other.outcome({ type: "ping" })).toBe("pong");
  });
});

describe("hooks", () => {
  it("get the data of the newest token, which no other client gets", async () => {
    const seen: unknown[] = [];
    const { port } = await serve({
      onJoin: ({ data }) => void seen.push(data),
      onClose: ({ data }) => void seen.push(data),
    });
    const rights = { join: ["*"], publish: ["*"], members: ["*"], send: ["*"], presence: ["*"] };
    const ada = await connect(port, "ada", { rights, info: { role: "admin-of-all" } });
    const bob = await connect(port, "bob", { rights });
    for (const member of [bob, ada]) expect(await member.outcome({ type: "join", room: "a" })).toBe("ack");
    const token = await tokenFor("ada", { rights, info: { role: "guest-for-now" } });
    expect(await ada.outcome({ type: "refresh", token })).toBe("ack");
    expect(await ada.outcome({ type: "join", room: "b" })).toBe("ack");
    expect(await ada.outcome({ type: "publish", room: "a", data: 1 })).toBe("ack");
    expect(await ada.outcome({ type: "send", user: "bob", data: 1 })).toBe("ack");
    await eventually(() => expect([...bob.of("message"), ...bob.of("direct")]).toHaveLength(2));
    const all = JSON.stringify([await bob.ask({ type: "members", room: "a" }), bob.of("message"), bob.of("direct")]);
    expect(all).not.toMatch(/admin-of-all|guest-for-now/);
    ada.close();
    await eventually(() =>
      expect(seen).toEqual([undefined, { role: "admin-of-all" }, { role: "guest-for-now" }, { role: "guest-for-now" }]),
    );
  });

  it("that never answer are bounded in number and time", async () => {
    const { port } = await serve({
      tokens: undefined,
      authenticate: () => ({ userId: "ada" }),
      onJoin: () => new Promise(() => undefined),
      hookTimeoutMs: 300,
      maxPendingHooks: 2,
    });
    const ada = await connect(port, "ada");
    const outcomes = await Promise.all(["a", "b", "c"].map((room) => ada.outcome({ type: "join", room })));
    expect(outcomes.toSorted()).toEqual(["timeout", "timeout", "unavailable"]);
    expect(await ada.outcome({ type: "join", room: "d" })).toBe("timeout");
  });

  it("allow nothing that a new token takes away while they decide", async () => {
    const decided: (() => void)[] = [];
    const ask = () => new Promise<void>((resolve) => decided.push(resolve));
    const userWith = (userId: string, claim: RightsClaim) => {
      const rights = Rights.parse(claim, userId);
      if (!rights.ok) throw rights.error;
      return { userId, rights: rights.value };
    };
    const names = ["ada", "bob"];
    const rights = { join: ["lobby", "den"], publish: ["lobby"], members: ["hall"], send: ["*"] };
    let isReplaced = false;
    const { port } = await serve({
      tokens: undefined,
      authenticate: () => userWith(names.shift() ?? "", rights),
      refresh: () => {
        isReplaced = true;
        return userWith("ada", { join: ["lobby"] });
      },
      onJoin: ask,
      onPublish: ask,
      onSend: ask,
      onMembers: ask,
    });
    const ada = await connect(port, "ada");
    const bob = await connect(port, "bob");
    for (const member of [ada, bob]) {
      const joined = member.outcome({ type: "join", room: "lobby" });
      await eventually(() => expect(decided).toHaveLength(1));
      decided.shift()?.();
      expect(await joined).toBe("ack");
    }
    const outcomes = Promise.all(
      [
        { type: "join", room: "den" },
        { type: "publish", room: "lobby", data: 1 },
        { type: "members", room: "hall" },
        { type: "send", user: "bob", data: 1 },
        { type: "send", connection: "gw.abcd80", data: 1 },
      ].map((request) => ada.outcome(request)),
    );
    // The second direct message waits for the first, so its hook is not called yet.
    await eventually(() => expect(decided).toHaveLength(4));
    const refreshed = ada.outcome({ type: "refresh", token: "x" });
    await eventually(() => expect(isReplaced).toBe(true));
    expect(await ada.outcome({ type: "ping" })).toBe("pong");
    for (const allow of decided) allow();
    expect(await outcomes).toEqual(Array.from({ length: 5 }, () => "forbidden"));
    expect(await refreshed).toBe("ack");
    expect([...bob.of("message"), ...bob.of("direct")]).toEqual([]);
  });
});

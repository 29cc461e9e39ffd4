import { CmError, type ErrorCode } from "@cm/protocol";
import type { Authentication, UpgradeRequest } from "@cm/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";
import { describeUpgradeCrowds } from "./concurrent-upgrades.js";
import { RawClient, type RawClientOptions } from "./raw-client.js";
import { ANN, type CreateTransport, deferred, openClient, refusal, serverStarter, WAIT } from "./transport-harness.js";

/** Ends the connections after the test. */
function destroyLater(clients: readonly RawClient[]): void {
  onTestFinished(() => {
    for (const client of clients) client.destroy();
  });
}

export function describeUpgrades(createTransport: CreateTransport, crowd: number): void {
  const startServer = serverStarter(createTransport);

  describe("an upgrade", () => {
    it("hands authenticate everything about the request, also after it waited", async () => {
      const seen: UpgradeRequest[] = [];
      const gate = deferred<void>();
      const { port, opened } = await startServer({
        subprotocols: ["test.v2", "test.v1"],
        async authenticate(request) {
          await gate.promise;
          seen.push(request);
          return ANN;
        },
      });
      const raw = await RawClient.dial(port, {
        path: "/ws?token=a%20b&x",
        subprotocol: "token.abc, test.v1,test.v2 ",
        headers: { "X-Twice": "one", "x-twice": "two", Cookie: "a=b", cookie: "c=d" },
      });
      onTestFinished(() => raw.destroy());
      gate.resolve();
      await vi.waitFor(() => expect(raw.answer?.status).toBe(101), WAIT);
      expect(raw.answer?.head).toMatch(/sec-websocket-protocol: test\.v2(\r\n|$)/i);
      expect(seen).toEqual([
        {
          path: "/ws",
          query: "token=a%20b&x",
          remoteAddress: "127.0.0.1",
          subprotocol: "test.v2",
          offeredSubprotocols: ["token.abc", "test.v1", "test.v2"],
          headers: expect.objectContaining({ "x-twice": "one, two", cookie: "a=b; c=d", upgrade: "websocket" }),
        },
      ]);
      expect(opened).toMatchObject([{ userId: "ann", data: "data" }]);
    });

    it("counts by the address that trusted proxies name, and is refused beyond the limits of one address", async () => {
      const { server, port, joinRaw, opened } = await startServer({
        trustedProxies: ["127.0.0.1", "10.0.0.0/8"],
        maxConnectionsPerAddress: 2,
        maxUpgradesPerSecondPerAddress: 0,
      });
      const from = (address: string): RawClientOptions => ({ headers: { "X-Forwarded-For": address } });
      // The client may have written the addresses to the left of the first address that is not trusted.
      const first = await joinRaw(from("192.0.2.1, 203.0.113.7:55, 10.1.2.3"));
      expect(first.connection.remoteAddress).toBe("203.0.113.7");
      await joinRaw(from("203.0.113.7"));
      expect(await refusal(port, from("203.0.113.7"))).toMatchObject({
        status: 429,
        body: { code: "connections-limit" },
      });
      await joinRaw(from("203.0.113.8"));
      // One IPv6 customer has more addresses than a server can count.
      await joinRaw(from("2001:db8::1"));
      await joinRaw(from("[2001:db8:0:0:ffff::2]:443"));
      expect(await refusal(port, from("2001:db8::3"))).toMatchObject({ status: 429 });
      first.connection.close("terminated");
      await joinRaw(from("203.0.113.7"));
      expect(await refusal(port, from("203.0.113.7"))).toMatchObject({ body: { code: "connections-limit" } });
      expect(server.stats()).toMatchObject({
        refused: { "connections-limit": 3 },
        limits: { "connections-per-address": 3 },
      });
      expect(opened).toHaveLength(6);
    });

    it("is refused if its address exceeds the limit per second", async () => {
      const { server, port, opened } = await startServer({
        trustedProxies: ["127.0.0.1"],
        maxConnectionsPerAddress: 1,
        maxUpgradesPerSecondPerAddress: 1,
      });
      const headers = { "X-Forwarded-For": "203.0.113.7" };
      // The clients connect within fewer seconds than there are clients: the limit per second admits two of them,
      // and one more per second. Of those, the limit of connections refuses all but one.
      const clients = await Promise.all(Array.from({ length: 30 }, () => RawClient.dial(port, { headers })));
      destroyLater(clients);
      const statuses = await vi.waitFor(() => {
        const answers = clients.map(({ answer }) => answer?.status);
        expect(answers).not.toContain(undefined);
        return answers;
      }, WAIT);
      expect(opened).toHaveLength(1);
      expect(statuses.filter((status) => status === 101)).toHaveLength(1);
      expect(statuses.filter((status) => status === 429)).toHaveLength(29);
      const { limits, refused } = server.stats();
      expect(refused["rate-limited"]).toBe(limits["upgrades-per-address"]);
      expect(limits["upgrades-per-address"]).toBeGreaterThan(10);
      expect((refused["rate-limited"] ?? 0) + (refused["connections-limit"] ?? 0)).toBe(29);
    });

    it("waiting for authenticate counts against its address, also if the client disconnects", async () => {
      const gate = deferred<void>();
      const { server, port } = await startServer({
        trustedProxies: ["127.0.0.1"],
        maxConnectionsPerAddress: 1,
        authenticate: async () => {
          await gate.promise;
          return ANN;
        },
      });
      const headers = { "X-Forwarded-For": "203.0.113.7" };
      const waiting = await RawClient.dial(port, { headers });
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(1), WAIT);
      expect(await refusal(port, { headers })).toMatchObject({ status: 429 });
      waiting.destroy();
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(0), WAIT);
      gate.resolve();
      const next = await RawClient.dial(port, { headers });
      onTestFinished(() => next.destroy());
      await vi.waitFor(() => expect(next.answer?.status).toBe(101), WAIT);
    });

    it.each<[string, RawClientOptions, number, string]>([
      ["no subprotocol", { subprotocol: null }, 400, "version-unsupported"],
      ["only other subprotocols", { subprotocol: "cm.v9, test.v11" }, 400, "version-unsupported"],
      ["another origin", { headers: { Origin: "https://evil.example" } }, 403, "origin-refused"],
      ["an old WebSocket version", { headers: { "Sec-WebSocket-Version": "8" } }, 426, "version-unsupported"],
      ["another upgrade", { headers: { Upgrade: "h2c" } }, 400, "operation-unknown"],
      ["no Upgrade header", { headers: { Upgrade: null } }, 426, "operation-unknown"],
      ["no wish to upgrade", { headers: { Connection: "close" } }, 400, "operation-unknown"],
      ["no key", { headers: { "Sec-WebSocket-Key": "" } }, 426, "operation-unknown"],
    ])("with %s is refused with a status and a code", async (_, options, status, code) => {
      const { server, port, opened } = await startServer({ allowedOrigins: ["https://good.example"] });
      expect(await refusal(port, options)).toEqual({ status, body: { code, message: expect.any(String) } });
      expect(server.stats().refused).toEqual({ [code]: 1 });
      expect(opened).toEqual([]);
    });

    it.each<[string, RawClientOptions, number]>([
      ["without Host", { headers: { Host: null } }, 400],
      ["of HTTP/1.0", { httpVersion: "1.0" }, 505],
    ])(
      "%s is refused, as RFC 6455 demands, by the HTTP layer, whose refusals are not counted",
      async (_, options, status) => {
        const { server, port, opened } = await startServer();
        const client = await RawClient.dial(port, options);
        onTestFinished(() => client.destroy());
        await vi.waitFor(() => expect(client.answer?.status).toBe(status), WAIT);
        expect(opened).toEqual([]);
        expect(server.stats().refused).toEqual({});
      },
    );

    it("at another path is a plain request, which gets 404 and is not counted", async () => {
      const { server, port } = await startServer();
      expect(await refusal(port, { path: "/other" })).toMatchObject({ status: 404, body: { code: "not-found" } });
      expect(server.stats().refused).toEqual({});
    });

    it("passes from a listed origin, and from no page at all", async () => {
      const { joinRaw } = await startServer({ allowedOrigins: ["https://good.example"] });
      const fromPage = await joinRaw({ headers: { Origin: "https://good.example" } });
      expect(fromPage.connection.open).toBe(true);
      expect((await joinRaw()).connection.open).toBe(true);
    });

    it("is distinguished from a plain request", async () => {
      const { port, server } = await startServer();
      const answer = await fetch(`http://127.0.0.1:${port}/ws`);
      expect(answer.status).toBe(426);
      expect(answer.headers.get("upgrade")).toBe("websocket");
      expect(await answer.json()).toMatchObject({ code: "operation-unknown" });
      expect(server.stats().refused).toEqual({ "operation-unknown": 1 });
    });
  });

  describe("authentication", () => {
    const cases: [string, unknown, number, ErrorCode, RegExp][] = [
      ["unauthorized", new CmError("unauthorized", "The token ran out."), 401, "unauthorized", /^The token ran out\.$/],
      ["capacity-reached", new CmError("capacity-reached", "10.0.0.7 full"), 503, "capacity-reached", /^(?!.*10\.0)/],
      ["rate-limited", new CmError("rate-limited", "Slow down."), 429, "rate-limited", /^Slow down\.$/],
      ["origin-refused", new CmError("origin-refused", "Not you."), 403, "origin-refused", /^Not you\.$/],
      ["unavailable", new CmError("unavailable", "redis at 10.0.0.7"), 503, "unavailable", /^(?!.*redis)/],
      ["name-too-long", new CmError("name-too-long", "Too long."), 400, "name-too-long", /^Too long\.$/],
      ["any other error", new Error("password=hunter2"), 500, "internal", /^(?!.*hunter2)/],
      ["something that is no error", "hunter2", 500, "internal", /^(?!.*hunter2)/],
    ];

    it.each(cases.flatMap((row) => [[...row, "at once"] as const, [...row, "later"] as const]))(
      "that throws %s refuses the upgrade (%#)",
      async (_, cause, status, code, message, when) => {
        const { port, server, errors } = await startServer({
          authenticate: () => {
            if (when === "at once") throw cause;
            return new Promise((_resolve, reject) => setImmediate(reject, cause));
          },
        });
        expect(await refusal(port)).toEqual({ status, body: { code, message: expect.stringMatching(message) } });
        expect(server.stats()).toMatchObject({ upgrading: 0, connections: 0, refused: { [code]: 1 } });
        expect(errors).toEqual(
          code === "internal" ? [{ stage: "handler", error: expect.objectContaining({ code, cause }) }] : [],
        );
      },
    );

    it.each([[""], ["x".repeat(256)], ["\ud800"]])("with an invalid user name (%j) is refused", async (userId) => {
      const { port, opened, errors } = await startServer({ authenticate: () => ({ userId, data: "" }) });
      expect(await refusal(port)).toMatchObject({ status: 400, body: { code: expect.stringMatching(/^name-/) } });
      expect(opened).toEqual([]);
      expect(errors).toEqual([]);
    });

    it.each([[null], [undefined], [7], [{ userId: 42 }], [{ userId: undefined }]])(
      "that gives %j is a fault of the server, which is reported",
      async (outcome) => {
        // Values that plain JavaScript may pass.
        const { port, opened, errors } = await startServer({
          authenticate: () => outcome as unknown as Authentication<string>,
        });
        expect(await refusal(port)).toMatchObject({ status: 500, body: { code: "internal" } });
        expect(opened).toEqual([]);
        expect(errors).toMatchObject([{ error: { code: "internal" }, stage: "handler" }]);
      },
    );

    it("waits for anything with a then, not for native promises only", async () => {
      const { port, opened } = await startServer({
        // biome-ignore lint/suspicious/noThenProperty: a foreign promise is what this is about
        authenticate: () => ({ then: (done: (value: typeof ANN) => void) => done(ANN) }) as Promise<typeof ANN>,
      });
      const { socket } = openClient(port, "/ws");
      await vi.waitFor(() => expect(socket.readyState).toBe(WebSocket.OPEN), WAIT);
      expect(opened).toMatchObject([ANN]);
    });

    it("has a deadline, after which its outcome is ignored", async () => {
      const gate = deferred<Authentication<string>>();
      const signals: AbortSignal[] = [];
      let ids = 0;
      const { port, server, opened, errors } = await startServer({
        authenticationTimeoutMs: 30,
        nextConnectionId: () => `test.aaaa0${ids++}`,
        authenticate(_, signal) {
          signals.push(signal);
          return gate.promise;
        },
      });
      expect(await refusal(port)).toMatchObject({ status: 503, body: { code: "timeout" } });
      expect(signals[0]?.aborted).toBe(true);
      expect(signals[0]?.reason).toMatchObject({ code: "timeout" });
      gate.resolve(ANN);
      await gate.promise;
      // Authenticated upgrades are completed in the next turn: this one must not take an id then.
      await new Promise((resolve) => setImmediate(resolve));
      expect([opened, ids]).toEqual([[], 0]);
      expect(server.stats()).toMatchObject({ upgrading: 0, connections: 0, refused: { timeout: 1 } });
      const late = { code: "timeout", details: { hook: "authenticate" } };
      expect(errors).toMatchObject([{ error: late, stage: "handler" }]);
    });

    it("that hangs does not take the places of connections that can be served", async () => {
      const { port, server, joinRaw } = await startServer({
        maxConnections: 2,
        maxPendingUpgrades: 3,
        authenticate: ({ query }) => (query === "hangs" ? new Promise(() => undefined) : ANN),
      });
      const hanging = await Promise.all([1, 2].map(() => RawClient.dial(port, { path: "/ws?hangs" })));
      destroyLater(hanging);
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(2), WAIT);
      const served = [await joinRaw(), await joinRaw()];
      expect(served.map(({ connection }) => connection.open)).toEqual([true, true]);
      expect(await refusal(port)).toMatchObject({ status: 503, body: { code: "capacity-reached" } });
    });

    it("that hangs holds up no more than maxPendingUpgrades; the others are refused at once, and counted", async () => {
      const { port, server } = await startServer({
        maxPendingUpgrades: 3,
        authenticate: () => new Promise(() => undefined),
      });
      const hanging = await Promise.all([1, 2, 3].map(() => RawClient.dial(port)));
      destroyLater(hanging);
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(3), WAIT);
      for (let count = 1; count <= 3; count += 1) {
        expect(await refusal(port)).toMatchObject({ status: 503, body: { code: "unavailable" } });
        expect(server.stats()).toMatchObject({
          upgrading: 3,
          refused: { unavailable: count },
          limits: { "pending-upgrades": count },
        });
      }
    });

    it("that hangs for one address leaves most places for upgrades of others", async () => {
      const { port, server } = await startServer({
        maxPendingUpgrades: 8,
        maxUpgradesPerSecondPerAddress: 0,
        trustedProxies: ["127.0.0.1"],
        authenticate: () => new Promise(() => undefined),
      });
      const from = (address: string): RawClientOptions => ({ headers: { "X-Forwarded-For": address } });
      const hanging: RawClient[] = [];
      destroyLater(hanging);
      const begin = async (address: string) => hanging.push(await RawClient.dial(port, from(address)));
      // Addresses of one IPv6 network share their places.
      for (const network of [["203.0.113.7"], ["2001:db8::1", "2001:db8::2"]]) {
        const before = server.stats().upgrading;
        for (const index of [0, 1]) await begin(network[index] ?? network[0] ?? "");
        await vi.waitFor(() => expect(server.stats().upgrading).toBe(before + 2), WAIT);
        const refused = await refusal(port, from(network[0] ?? ""));
        expect(refused).toMatchObject({ status: 503, body: { code: "unavailable" } });
      }
      await begin("198.51.100.8");
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(5), WAIT);
      expect(server.stats().limits).toEqual({ "pending-upgrades": 2 });
      // A place that is free again can be taken by the same address.
      hanging[0]?.destroy();
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(4), WAIT);
      await begin("203.0.113.7");
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(5), WAIT);
    });

    it("that hangs holds up any number of upgrades if maxPendingUpgrades is 0", async () => {
      const { port, server } = await startServer({
        maxPendingUpgrades: 0,
        authenticate: () => new Promise(() => undefined),
      });
      const hanging = await Promise.all(Array.from({ length: 20 }, () => RawClient.dial(port)));
      destroyLater(hanging);
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(20), WAIT);
      expect(server.stats()).toMatchObject({ refused: {}, limits: {} });
    });

    it("is notified when the client disconnects, and the slot is free at once", async () => {
      const gates = [deferred<Authentication<string>>(), deferred<Authentication<string>>()];
      const signals: AbortSignal[] = [];
      const { port, server, opened, errors } = await startServer({
        maxPendingUpgrades: 2,
        authenticate(_, signal) {
          signals.push(signal);
          return gates[signals.length - 1]?.promise ?? ANN;
        },
      });
      const leavers = [await RawClient.dial(port), await RawClient.dial(port)];
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(2), WAIT);
      expect(await refusal(port)).toMatchObject({ status: 503, body: { code: "unavailable" } });
      for (const raw of leavers) raw.destroy();
      await vi.waitFor(() => expect(signals.map((signal) => signal.aborted)).toEqual([true, true]), WAIT);
      expect(server.stats().upgrading).toBe(0);
      gates[0]?.resolve(ANN);
      gates[1]?.reject(new Error("nobody waits for this"));
      const { socket } = openClient(port, "/ws");
      await vi.waitFor(() => expect(socket.readyState).toBe(WebSocket.OPEN), WAIT);
      expect(opened).toHaveLength(1);
      expect(errors).toEqual([]);
    });

    it("is refused when the server closes meanwhile", async () => {
      const { port, server, opened } = await startServer({ authenticate: () => new Promise(() => undefined) });
      const pending = refusal(port);
      await vi.waitFor(() => expect(server.stats().upgrading).toBe(1), WAIT);
      await server.close();
      expect(await pending).toMatchObject({ status: 503, body: { code: "closed" } });
      expect(opened).toEqual([]);
    });

    it("does not turn into a connection after stopAccepting on a connection kept alive", async () => {
      const { server, port, opened } = await startServer({ routes: { "/x": () => ({ status: 200, body: "x" }) } });
      const raw = await RawClient.dial(port, { path: "/x", headers: { Connection: "keep-alive" } });
      onTestFinished(() => raw.destroy());
      await vi.waitFor(() => expect(raw.answer?.status).toBe(200), WAIT);
      server.stopAccepting();
      raw.socket.write(
        "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: test.v1\r\n\r\n",
      );
      // A library may also end idle keep-alive connections by itself.
      await vi.waitFor(() => expect(raw.ended || raw.leftoverText.includes(" 503 ")).toBe(true), WAIT);
      expect([opened, server.stats().upgrading]).toEqual([[], 0]);
    });
  });

  describe("connection ids", () => {
    it("that repeat are a fault of the server, and the first holder keeps its connection", async () => {
      const { port, server, join, errors } = await startServer({ nextConnectionId: () => "test.aaaa00" });
      const first = await join();
      expect(await refusal(port)).toMatchObject({ status: 500, body: { code: "internal" } });
      expect(errors).toHaveLength(1);
      expect(server.connection("test.aaaa00")).toBe(first.connection);
    });
  });

  describeUpgradeCrowds(createTransport, crowd);
}

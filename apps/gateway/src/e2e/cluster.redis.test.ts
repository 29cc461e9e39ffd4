import type { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type GatewayCluster, startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { runLoad } from "@cm/load";
import { ownerOf } from "@cm/protocol";
import { eventually, repetitions } from "@cm/test-kit";
import { afterEach, describe, expect, it } from "vitest";

/** Number of trials; 10,000 in a soak. */
const TRIALS = repetitions(10_000);

describe.each(["single", "cluster"] as const)("two gateways on one Redis (%s)", (redis) => {
  let cluster: GatewayCluster;

  afterEach(async () => {
    await cluster.close();
  });

  it("gives 200 clients in 20 rooms every message once and in one order, and leaves nothing behind", async () => {
    cluster = await startGatewayCluster({ size: 2, redis });
    const report = await runLoad({ urls: cluster.wsUrls, rooms: 20, members: 10, rate: 1_000, seconds: 5, seed: 7 });
    expect(report.connections).toEqual({ joined: 200, failed: 0 });
    expect(report.published).toBeGreaterThan(4_000);
    expect(report.findings).toEqual({
      expected: report.published * 10,
      delivered: report.published * 10,
      losses: 0,
      duplicates: 0,
      roomOrderViolations: 0,
      publisherOrderViolations: 0,
      orderUnchecked: 0,
      strays: 0,
      refusedYetDelivered: 0,
    });
    expect(report.ok).toBe(true);

    for (const index of [0, 1]) {
      await eventually(async () => {
        expect(await cluster.stats(index)).toMatchObject({
          connections: 0,
          rooms: 0,
          users: 0,
          pendingRemovals: 0,
          gaps: 0,
          missed: 0,
          duplicates: 0,
          damaged: 0,
          idleSubscriptions: 0,
        });
      });
    }
    // Only the registration of the living servers is left; it is removed with them.
    await eventually(async () => {
      const left = (await cluster.keys()).filter((key) => !key.includes("{servers}"));
      expect(left).toEqual([`${cluster.prefix}:layout`]);
    });
    await cluster.close();
    expect(await cluster.keys()).toEqual([`${cluster.prefix}:layout`]);
  });

  it("misses nothing that is published after a join's answer, in thousands of trials across servers", async () => {
    cluster = await startGatewayCluster({ size: 2, redis, env: { MAX_REQUESTS_PER_SECOND: "100000" } });
    const pairs = 20;
    const trials = TRIALS / pairs;
    let arrived = 0;
    await Promise.all(
      Array.from({ length: pairs }, async (_, pair) => {
        const [listener, speaker] = await Promise.all([
          cluster.connect(pair % 2, `listener-${pair}`),
          cluster.connect((pair + 1) % 2, `speaker-${pair}`),
        ]);
        for (let trial = 0; trial < trials; trial++) {
          const room = `trial-${pair}-${trial}`;
          await speaker.do({ type: "join", room });
          await listener.do({ type: "join", room });
          await speaker.do({ type: "publish", room, data: trial });
          await listener.until((frame) => frame.type === "message" && frame.data === trial);
          arrived++;
          listener.received.length = 0;
          speaker.tell({ type: "leave", room });
          listener.tell({ type: "leave", room });
        }
      }),
    );
    expect(arrived).toBe(TRIALS);
  }, 120_000);

  it("delivers `echo: false` and direct messages to exactly the intended recipients", async () => {
    cluster = await startGatewayCluster({ size: 2, redis });
    const [ann1, ann2, bob, cy] = await Promise.all([
      cluster.connect(0, "ann"),
      cluster.connect(1, "ann"),
      cluster.connect(0, "bob"),
      cluster.connect(1, "cy"),
    ]);
    const everybody: readonly CmSocket[] = [ann1, ann2, bob, cy];
    for (const socket of everybody) await socket.do({ type: "join", room: "lobby" });

    await ann1.do({ type: "publish", room: "lobby", data: "not to me", echo: false });
    await bob.do({ type: "publish", room: "lobby", data: "to all" });
    for (const socket of everybody) {
      await socket.until((frame) => frame.type === "message" && frame.data === "to all");
    }
    expect(ann1.messages()).toEqual(["to all"]);
    for (const socket of [ann2, bob, cy]) expect(socket.messages()).toEqual(["not to me", "to all"]);

    expect(await bob.ask({ type: "send", connection: ann1.id, data: "same server" })).toMatchObject({
      type: "ack",
      outcome: "delivered",
    });
    expect(await bob.ask({ type: "send", connection: cy.id, data: "other server" })).toMatchObject({
      type: "ack",
      outcome: "sent",
    });
    expect(await cy.ask({ type: "send", user: "ann", data: "both devices" })).toMatchObject({ type: "ack" });
    await eventually(() => {
      expect(everybody.map((socket) => socket.directs())).toEqual([
        ["same server", "both devices"],
        ["both devices"],
        [],
        ["other server"],
      ]);
    });
    expect(ann1.received.find((frame) => frame.type === "direct")).toMatchObject({
      from: { connection: bob.id, user: "bob" },
    });

    // The connection is closed, but its owner is alive and accepts the message.
    await ann2.close();
    expect(await bob.ask({ type: "send", connection: ann2.id, data: "?" })).toMatchObject({
      type: "ack",
      outcome: "sent",
    });
    expect(await cy.ask({ type: "send", connection: ann2.id, data: "?" })).toMatchObject({ code: "not-found" });
    expect(await bob.ask({ type: "send", user: "nobody", data: "?" })).toMatchObject({ code: "not-found" });
    expect(await bob.ask({ type: "send", connection: "nowhere.abcd80", data: "?" })).toMatchObject({
      code: "not-found",
    });
  });

  it("shows a room's members, in pages, and drops those of a killed server", async () => {
    cluster = await startGatewayCluster({
      size: 2,
      redis,
      env: { HEARTBEAT_INTERVAL_MS: "300", HEARTBEAT_TTL_SECONDS: "1" },
    });
    const sockets = await Promise.all(Array.from({ length: 10 }, (_, i) => cluster.connect(i % 2, `user-${i}`)));
    for (const socket of sockets) await socket.do({ type: "join", room: "lobby" });
    const [asking] = sockets;
    expect(asking?.welcome).not.toHaveProperty("server");
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await asking?.do({ type: "members", room: "lobby", limit: 3, ...(cursor ? { cursor } : {}) });
      if (page?.type !== "members") throw new Error("no members");
      expect(page.total).toBe(10);
      expect(page.members.length).toBeLessThanOrEqual(3);
      for (const member of page.members) {
        // Servers reveal their ids only if `SHOW_SERVER_IDS` is set.
        expect(member).not.toHaveProperty("server");
        seen.push(member.user);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(seen.sort()).toEqual(sockets.map((_, i) => `user-${i}`).sort());

    await cluster.gateways[1]?.kill();
    await eventually(async () => {
      const page = await asking?.do({ type: "members", room: "lobby" });
      if (page?.type !== "members") throw new Error("no members");
      expect(page.total).toBe(5);
      expect(new Set(page.members.map(({ connection }) => ownerOf(connection)))).toEqual(new Set(["gw1"]));
    });
    // Finally no data of gw2 is left in the store.
    await eventually(async () => {
      expect((await cluster.keys()).filter((key) => key.includes("gw2"))).toEqual([]);
    });
  });
});

import { type GatewayCluster, startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { createConnectionIdSource } from "@cm/protocol";
import type { Router } from "@cm/router";
import { eventually } from "@cm/test-kit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startOutsideRouter } from "./outside-router.fixture.js";

const IN_TIME = { timeoutMs: 10_000 };
const IN_TIME_TO_CONFIRM = { confirmMs: 10_000 };

describe("a gateway that another server controls", () => {
  let cluster: GatewayCluster;
  let outside: Router;

  beforeEach(async () => {
    cluster = await startGatewayCluster({ size: 1, env: { MAX_ROOMS_PER_CONNECTION: "2" } });
    outside = await startOutsideRouter(cluster);
  });

  afterEach(() => cluster.close());

  it("closes a connection with the reason, and reports not-found once it is gone", async () => {
    const ann = await cluster.connect(0, "ann");
    expect(await outside.control(ann.id, { type: "disconnect", reason: "terminated" }, IN_TIME)).toBe("done");
    expect(await ann.closed).toEqual({ code: 4004, reason: "terminated" });
    await eventually(async () => {
      const again = outside.control(ann.id, { type: "disconnect", reason: "terminated" }, IN_TIME);
      expect(await again).toBe("not-found");
    });
  });

  it("puts a connection into a room and takes it out, as the client itself could have", async () => {
    const ann = await cluster.connect(0, "ann");
    expect(await outside.control(ann.id, { type: "join", room: "lobby" }, IN_TIME)).toBe("done");
    // Repeating the join changes nothing.
    expect(await outside.control(ann.id, { type: "join", room: "lobby" }, IN_TIME)).toBe("done");
    expect(await ann.ask({ type: "members", room: "lobby" })).toMatchObject({ total: 1 });
    await ann.do({ type: "publish", room: "lobby", data: "I am in", echo: true });
    await ann.until((frame) => frame.type === "message" && frame.data === "I am in");

    expect(await outside.control(ann.id, { type: "leave", room: "lobby" }, IN_TIME)).toBe("done");
    expect(await outside.control(ann.id, { type: "leave", room: "lobby" }, IN_TIME)).toBe("done");
    expect(await ann.ask({ type: "publish", room: "lobby", data: "?" })).toMatchObject({ code: "not-a-member" });
    expect(await ann.ask({ type: "members", room: "lobby" })).toMatchObject({ total: 0 });
  });

  it("keeps the limits of a connection, and leaves nothing of what it refuses", async () => {
    const ann = await cluster.connect(0, "ann");
    for (const room of ["1", "2"]) {
      expect(await outside.control(ann.id, { type: "join", room }, IN_TIME)).toBe("done");
    }
    const third = outside.control(ann.id, { type: "join", room: "3" }, IN_TIME);
    await expect(third).rejects.toMatchObject({ code: "rooms-limit" });
    expect(await ann.ask({ type: "members", room: "3" })).toMatchObject({ total: 0 });
    await outside.control(ann.id, { type: "leave", room: "1" }, IN_TIME);
    await ann.do({ type: "join", room: "3" });
  });

  it("answers a ping, and confirms what it delivered", async () => {
    const ann = await cluster.connect(0, "ann");
    expect(await outside.control("gw1", { type: "ping" }, IN_TIME)).toBe("done");
    const frame = Buffer.from('{"type":"direct","data":"hi"}');
    expect(await outside.toConnection(ann.id, frame, IN_TIME_TO_CONFIRM)).toBe("delivered");
    expect(await outside.toUser("ann", frame, IN_TIME_TO_CONFIRM)).toBe("delivered");
    await eventually(() => expect(ann.directs()).toEqual(["hi", "hi"]));
    const gone = createConnectionIdSource({ serverId: "gw1" }).next();
    expect(await outside.toConnection(gone, frame, IN_TIME_TO_CONFIRM)).toBe("not-found");
  });

  it("is waited for no longer than the timeout while it is paused, and is not found at once when it is killed", async () => {
    const ann = await cluster.connect(0, "ann");
    const [gateway] = cluster.gateways;
    const frame = Buffer.from('{"type":"direct","data":"hi"}');
    gateway?.signal("SIGSTOP");
    const between = outside.toConnection(ann.id, frame, IN_TIME_TO_CONFIRM);
    expect(await outside.toConnection(ann.id, frame, { confirmMs: 200 })).toBe("timeout");
    gateway?.signal("SIGKILL");
    outside.serverLost("gw1");
    expect(await between).toBe("not-found");
    // Redis may still count a subscriber of the channel for a moment.
    await eventually(async () =>
      expect(await outside.toConnection(ann.id, frame, { confirmMs: 200 })).toBe("not-found"),
    );
    expect(outside.stats().pendingAnswers).toBe(0);
  });
});

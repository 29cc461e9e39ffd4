import type { LocalConnectionManager } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import { Socket } from "./local-sockets.fixture.js";
import { expectEmpty, TestCluster } from "./managers.fixture.js";
import { createDistributedConnectionManager } from "./node-connection-manager.js";

const GONE = "alpha.aaaa00";

describe("bad input", () => {
  it("is refused with a code by every method, and changes nothing", async () => {
    const alpha = await new TestCluster().start("alpha", { maxMessageBytes: 100 });
    const { manager } = alpha;
    // Values that an untyped caller may pass.
    const odd = [undefined, null, 7, {}, ""] as unknown as string[];
    const { id, socket } = await alpha.connect("ann");
    for (const name of [...odd, "\ud800"]) {
      expect(await codeOf(manager.registerConnection(new Socket(), name))).toBe("name-invalid");
      expect(await codeOf(manager.joinRoom(id, name))).toBe("name-invalid");
      expect(await codeOf(manager.leaveRoom(id, name))).toBe("name-invalid");
      expect(await codeOf(manager.broadcastToRoom(name, 1))).toBe("name-invalid");
      expect(await codeOf(manager.sendToUser(name, 1))).toBe("name-invalid");
    }
    const long = "x".repeat(256);
    expect(await codeOf(manager.registerConnection(new Socket(), long))).toBe("name-too-long");
    expect(await codeOf(manager.joinRoom(id, long))).toBe("name-too-long");
    for (const badId of [...odd, "alpha", `${id} `, long, "a b.aaaa00"]) {
      expect(await codeOf(manager.joinRoom(badId, "lobby"))).toBe("id-invalid");
      expect(await codeOf(manager.leaveRoom(badId, "lobby"))).toBe("id-invalid");
      expect(await codeOf(manager.removeConnection(badId))).toBe("id-invalid");
      expect(await codeOf(manager.sendToConnection(badId, 1))).toBe("id-invalid");
    }
    for (const server of [...odd, "a.b", long]) {
      expect(await codeOf(manager.handleServerFailure(server))).toBe("id-invalid");
    }
    expect(await codeOf(manager.joinRoom(GONE, "lobby"))).toBe("not-found");
    expect(await codeOf(manager.leaveRoom(GONE, "lobby"))).toBe("done");
    expect(await codeOf(manager.leaveRoom(id, "never joined"))).toBe("done");
    expect(await codeOf(manager.removeConnection(GONE))).toBe("done");
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    for (const message of [circle, 1n, undefined, () => 1, Symbol("s")]) {
      expect(await codeOf(manager.broadcastToRoom("lobby", message))).toBe("payload-unserializable");
      expect(await codeOf(manager.sendToConnection(id, message))).toBe("payload-unserializable");
      expect(await codeOf(manager.sendToUser("ann", message))).toBe("payload-unserializable");
    }
    expect(await codeOf(manager.sendToConnection(id, "x".repeat(98)))).toBe("done");
    expect(await codeOf(manager.sendToConnection(id, "x".repeat(99)))).toBe("payload-too-large");
    expect(await codeOf(manager.broadcastToRoom("lobby", "ä".repeat(50)))).toBe("payload-too-large");
    for (const confirmMs of [0, -1, 1.5, Number.NaN, 600_001]) {
      expect(await codeOf(manager.sendToConnection(id, 1, { confirmMs }))).toBe("options-invalid");
    }
    for (const except of [id, 7, [7], [undefined]] as unknown as string[][]) {
      expect(await codeOf(manager.broadcastToRoom("lobby", 1, { except }))).toBe("options-invalid");
    }
    expect(socket.texts).toHaveLength(1);
    socket.close();
    await expectEmpty(alpha);
  });

  it("refuses values that are not local managers", async () => {
    // Values that an untyped caller may pass.
    for (const local of [undefined, {}, { add: () => undefined }] as unknown as LocalConnectionManager<Socket>[]) {
      expect(await codeOf(createDistributedConnectionManager(local))).toBe("options-invalid");
    }
  });
});

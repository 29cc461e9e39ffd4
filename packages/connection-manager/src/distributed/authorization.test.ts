import { CmError } from "@cm/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";
import { codeOf } from "../error-code.fixture.js";
import { authorize } from "./authorization.js";
import type { VerifyToken } from "./distributed-options.js";
import { Socket } from "./local-sockets.fixture.js";
import { expectEmpty, TestCluster } from "./managers.fixture.js";

afterEach(() => {
  vi.useRealTimers();
});

const outcome = (verifyToken: VerifyToken<Socket> | undefined, token: unknown): Promise<string> =>
  codeOf(authorize(verifyToken, token, "ann", new Socket()));

describe("the token of a registration", () => {
  it("is ignored if no verifier is configured", async () => {
    for (const token of [undefined, "", "anything", 7]) expect(await outcome(undefined, token)).toBe("done");
  });

  it("is judged with the user and the socket, at once or after a while", async () => {
    const socket = new Socket();
    const seen: unknown[] = [];
    await authorize((...args) => seen.push(args) > 0, "token", "ann", socket);
    expect(seen).toEqual([["token", "ann", socket]]);
    expect(await outcome(() => true, "t")).toBe("done");
    expect(await outcome(() => false, "t")).toBe("unauthorized");
    expect(await outcome(() => Promise.resolve(true), "t")).toBe("done");
    expect(await outcome(() => Promise.resolve(false), "t")).toBe("unauthorized");
    // Only `true` accepts the token, even if an untyped function returns another value.
    expect(await outcome(() => "false" as unknown as boolean, "t")).toBe("unauthorized");
  });

  it("must be a text", async () => {
    for (const token of [undefined, null, 7, {}]) expect(await outcome(() => true, token)).toBe("unauthorized");
  });

  it("fails as the function does that verifies it", async () => {
    const refuse = (error: Error) => () => {
      throw error;
    };
    expect(await outcome(refuse(new CmError("unavailable", "No key server.")), "t")).toBe("unavailable");
    expect(await outcome(refuse(new Error("bug")), "t")).toBe("internal");
    expect(await outcome(() => Promise.reject(new Error("bug")), "t")).toBe("internal");
  });

  it("is aborted after 10 seconds", async () => {
    vi.useFakeTimers();
    const late = outcome(() => new Promise(() => undefined), "t");
    await vi.advanceTimersByTimeAsync(9_999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(await late).toBe("timeout");
    await outcome(() => true, "t");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("refuses a socket without a token, and leaves nothing of it behind", async () => {
    const alpha = await new TestCluster().start("alpha", { verifyToken: (token, userId) => token === `for ${userId}` });
    expect(await codeOf(alpha.manager.registerConnection(new Socket(), "ann"))).toBe("unauthorized");
    expect(await codeOf(alpha.manager.registerConnection(new Socket(), "ann", "for bob"))).toBe("unauthorized");
    await expectEmpty(alpha);
    expect(await codeOf(alpha.manager.registerConnection(new Socket(), "ann", "for ann"))).toBe("done");
  });

  it("delivers nothing to a socket before its token was verified", async () => {
    let judge: (verdict: boolean) => void = () => undefined;
    const verifyToken = () =>
      new Promise<boolean>((resolve) => {
        judge = resolve;
      });
    const alpha = await new TestCluster().start("alpha", { verifyToken });
    const socket = new Socket();
    const registering = codeOf(alpha.manager.registerConnection(socket, "ann", "t"));
    expect(await alpha.manager.sendToUser("ann", "secret")).toBe("not-found");
    judge(false);
    expect(await registering).toBe("unauthorized");
    expect(socket.texts).toEqual([]);
  });
});

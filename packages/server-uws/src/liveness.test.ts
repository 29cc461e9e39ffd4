import { describe, expect, it, vi } from "vitest";
import { LiveConnection } from "./live-connection.js";
import { Liveness, type LivenessOptions } from "./liveness.js";
import { OPCODE } from "./raw-client.fixture.js";
import { startServer, WAIT } from "./server.fixture.js";

/** A connection whose socket writes down its pings, and removes itself when it is cut. */
function connectionOf(liveness: Liveness<undefined>, id: string, pings: string[] = [], cut: string[] = []) {
  const limit = { maxBytes: 1, exceeded: () => undefined, sent: () => undefined };
  const connection = new LiveConnection(id, { userId: "ann", data: undefined }, "", limit);
  const socket = {
    ping: () => pings.push(id),
    close: () => {
      cut.push(id);
      connection.detach();
      liveness.remove(connection);
    },
  };
  // Only what the wheel calls.
  connection.attach(socket as unknown as Parameters<typeof connection.attach>[0]);
  liveness.add(connection);
  return connection;
}

/** So many ticks of the wheel, one after the other. */
function tick(liveness: Liveness<undefined>, ticks: number, each: () => void = () => undefined): void {
  for (let count = 0; count < ticks; count += 1) {
    liveness.advance(100);
    each();
  }
}

const OPTIONS: LivenessOptions = { pingIntervalMs: 25_000, idleTimeoutMs: 120_000 };

describe("the wheel of pings", () => {
  it("pings 10,000 connections that opened together spread over the interval, each once per interval", () => {
    const liveness = new Liveness<undefined>(OPTIONS);
    const pings: string[] = [];
    for (let index = 0; index < 10_000; index += 1) connectionOf(liveness, `c${index}`, pings);
    let most = 0;
    let before = 0;
    for (let round = 1; round <= 3; round += 1) {
      tick(liveness, 250, () => {
        most = Math.max(most, pings.length - before);
        before = pings.length;
      });
      expect(pings).toHaveLength(10_000 * round);
      expect(new Set(pings.slice(10_000 * (round - 1))).size).toBe(10_000);
    }
    // 40 on average.
    expect(most).toBeLessThan(100);
  });

  it("does not count the time in which the process was held up", () => {
    const liveness = new Liveness<undefined>(OPTIONS);
    const [pings, cut]: [string[], string[]] = [[], []];
    connectionOf(liveness, "c", pings, cut);
    tick(liveness, 1_000);
    for (let stall = 0; stall < 10; stall += 1) liveness.advance(600_000);
    expect(cut).toEqual([]);
    tick(liveness, 200);
    expect(cut).toEqual(["c"]);
  });

  it("forgets a connection that closed", () => {
    const liveness = new Liveness<undefined>(OPTIONS);
    const [pings, cut]: [string[], string[]] = [[], []];
    liveness.remove(connectionOf(liveness, "c", pings, cut));
    tick(liveness, 2_000);
    expect([pings, cut]).toEqual([[], []]);
  });
});

describe("a quiet connection", () => {
  const IDLE = { pingIntervalMs: 200, idleTimeoutMs: 1_500 };

  it("is pinged long before a balancer or the idle timeout would cut it, and stays while it answers", async () => {
    const { join, pongs, closed } = await startServer(IDLE);
    const { connection } = await join();
    await vi.waitFor(() => expect(pongs.length).toBeGreaterThan(20), WAIT);
    expect(closed).toEqual([]);
    expect(connection.open).toBe(true);
    expect(connection.lastSeenAt).toBeGreaterThan(connection.openedAt);
  });

  it("whose client answers no ping is cut after idleTimeoutMs: never earlier, and at most 2 s later", async () => {
    const { joinRaw, closed } = await startServer(IDLE);
    const startedAt = performance.now();
    const { raw, connection } = await joinRaw();
    await vi.waitFor(() => expect(raw.ended).toBe(true), WAIT);
    const lasted = performance.now() - startedAt;
    expect(lasted).toBeGreaterThanOrEqual(1_500);
    expect(lasted).toBeLessThan(1_500 + 2_000 + 500);
    expect(raw.frames.filter(({ opcode }) => opcode === OPCODE.ping).length).toBeGreaterThan(5);
    expect(closed).toEqual([{ connection, code: 1006, reason: "idle-timeout" }]);
  });

  it("is not pinged where pings are off, and cut unless its client sends something by itself", async () => {
    const { joinRaw, closed } = await startServer({ ...IDLE, pingIntervalMs: 0 });
    const [talker, silent] = [await joinRaw(), await joinRaw()];
    const timer = setInterval(() => talker.raw.send(OPCODE.pong, Buffer.alloc(0)), 100);
    await vi.waitFor(() => expect(silent.raw.ended).toBe(true), WAIT);
    clearInterval(timer);
    expect(closed.map(({ connection }) => connection)).toEqual([silent.connection]);
    expect([...talker.raw.frames, ...silent.raw.frames]).toEqual([]);
  });
});

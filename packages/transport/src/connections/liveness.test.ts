import { describe, expect, it } from "vitest";
import { BaseConnection } from "./base-connection.js";
import { Liveness, type LivenessOptions } from "./liveness.js";

/** A connection without a socket. It records its pings, and removes itself when it is cut. */
class TestConnection extends BaseConnection<undefined> {
  open = true;
  readonly bufferedBytes = 0;
  readonly #onPing: () => void;
  readonly #onCut: () => void;

  constructor(id: string, onPing: () => void, onCut: () => void) {
    super(id, { userId: "ann", data: undefined }, "", {
      maxBytes: 1,
      behind: undefined,
      exceeded: () => undefined,
      sent: () => undefined,
    });
    this.#onPing = onPing;
    this.#onCut = onCut;
  }

  protected override writeFrame(): boolean {
    return this.open;
  }
  enterRoom(): void {}
  leaveRoom(): void {}
  ping(): void {
    this.#onPing();
  }
  protected endSocket(): void {
    this.#onCut();
  }
  protected cutSocket(): void {
    this.#onCut();
  }
  protected releaseSocket(): void {
    this.open = false;
  }
}

function connectionOf(liveness: Liveness, id: string, pings: string[] = [], cut: string[] = []) {
  const connection = new TestConnection(
    id,
    () => pings.push(id),
    () => {
      cut.push(id);
      connection.detach();
      liveness.remove(connection);
    },
  );
  liveness.add(connection);
  return connection;
}

/** Advances the wheel by `ticks` ticks, one by one. */
function tick(liveness: Liveness, ticks: number, each: () => void = () => undefined): void {
  for (let count = 0; count < ticks; count += 1) {
    liveness.advance(100);
    each();
  }
}

const OPTIONS: LivenessOptions = { pingIntervalMs: 25_000, idleTimeoutMs: 120_000 };

describe("the wheel of pings", () => {
  it("pings 10,000 connections that opened together spread over the interval, each once per interval", () => {
    const liveness = new Liveness(OPTIONS);
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
    // On average, 40 connections are pinged per tick.
    expect(most).toBeLessThan(100);
  });

  it("does not count the time in which the process was held up", () => {
    const liveness = new Liveness(OPTIONS);
    const [pings, cut]: [string[], string[]] = [[], []];
    connectionOf(liveness, "c", pings, cut);
    tick(liveness, 1_000);
    for (let stall = 0; stall < 10; stall += 1) liveness.advance(600_000);
    expect(cut).toEqual([]);
    tick(liveness, 200);
    expect(cut).toEqual(["c"]);
  });

  it("forgets a connection that closed", () => {
    const liveness = new Liveness(OPTIONS);
    const [pings, cut]: [string[], string[]] = [[], []];
    liveness.remove(connectionOf(liveness, "c", pings, cut));
    tick(liveness, 2_000);
    expect([pings, cut]).toEqual([[], []]);
  });
});

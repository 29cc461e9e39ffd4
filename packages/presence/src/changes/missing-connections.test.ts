import { expect, it, onTestFinished } from "vitest";
import { MissingConnections } from "./missing-connections.js";

it("waits for each connection from the first reading that lacks it, whatever else is missing", () => {
  const missing = new MissingConnections({ restoreWithinMs: 1_000, reread: () => undefined });
  onTestFinished(() => missing.close());
  const awaited = (beganAt: number, ...lacking: readonly string[]): string[] => {
    let kept: string[] = [];
    missing.judge(beganAt, (isAwaited) => {
      kept = lacking.filter(isAwaited);
    });
    return kept;
  };
  expect(awaited(0, "a")).toEqual(["a"]);
  expect(awaited(900, "a", "b")).toEqual(["a", "b"]);
  expect(awaited(1_000, "a", "b")).toEqual(["b"]);
  // If a missing connection was found again in between, its waiting time starts from the beginning.
  expect(awaited(1_500)).toEqual([]);
  expect(awaited(2_400, "b")).toEqual(["b"]);
});

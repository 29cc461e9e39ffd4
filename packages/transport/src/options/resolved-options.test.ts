import { expect, it } from "vitest";
import { resolveTransportOptions } from "./resolved-options.js";
import type { TransportOptions } from "./transport-options.js";

const unused = (): never => {
  throw new Error("Resolving the options calls nothing.");
};

const REQUIRED: TransportOptions<string> = {
  port: 0,
  subprotocols: ["chat.v1"],
  authenticate: unused,
  nextConnectionId: unused,
  handler: { open: unused, frame: unused, binary: unused, closed: unused },
  onError: unused,
};

it.each([
  ["port", 0, 65_535],
  ["closeTimeoutMs", 0, 600_000],
  ["authenticationTimeoutMs", 1, 600_000],
  ["idleTimeoutMs", 1_000, 900_000],
  ["maxFrameBytes", 128, 16 * 1024 * 1024],
  ["maxMembersPerTurn", 10, 1_000_000],
] as const)("%s takes %d to %d and refuses what is next to them", (field, min, max) => {
  const resolve = (value: number) => resolveTransportOptions({ ...REQUIRED, [field]: value });
  for (const value of [min, max]) expect(resolve(value)[field]).toBe(value);
  for (const value of [min - 1, max + 1, min + 0.5]) {
    const details = { field, min, max };
    expect(() => resolve(value)).toThrow(expect.objectContaining({ code: "options-invalid", details }));
  }
});

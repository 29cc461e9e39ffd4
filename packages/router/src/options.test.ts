import { createMemoryStore } from "@cm/memory-store";
import { describe, expect, it } from "vitest";
import { createRouter, type RouterOptions } from "./index.js";
import { resolveRouterOptions } from "./options.js";

const { bus, users } = createMemoryStore();
const GOOD: RouterOptions = {
  serverId: "a",
  bus,
  users,
  local: { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 },
};

/**
 * An invalid value for each option. The compiler requires every option to be listed. `isRecoverable` is
 * excluded, because it requires another option.
 */
const WRONG: Readonly<Record<Exclude<keyof RouterOptions, "isRecoverable">, unknown>> = {
  serverId: 7,
  bus: { publish: () => undefined },
  users: undefined,
  local: null,
  servers: {},
  holdsLease: true,
  releaseDelayMs: 600_001,
  maxIdleSubscriptions: Number.NaN,
  maxSequencers: 0,
  onGap: "log",
  onServerMessage: 1,
  onControl: {},
  onQuestion: null,
  orderOf: "room",
  whileDown: "refuse",
  history: {},
  maxPending: 0.5,
  onError: [],
};

describe("the options of a router", () => {
  it("need a server id, a bus, users and local sockets alone", () => {
    expect(createRouter(GOOD).stats().rooms).toBe(0);
  });

  it.each(Object.entries(WRONG))("are refused with a %s that can't be used", (field, value) => {
    expectRefusal({ ...GOOD, [field]: value }, field);
  });

  it("are refused with an isRecoverable that is no function, or without a history", () => {
    const { history } = createMemoryStore();
    expectRefusal({ ...GOOD, history, isRecoverable: true }, "isRecoverable");
    expectRefusal({ ...GOOD, isRecoverable: () => true }, "history");
  });

  it("take undefined for not given", () => {
    const all: Partial<RouterOptions> = Object.fromEntries(Object.keys(WRONG).map((name) => [name, undefined]));
    expect(JSON.stringify(resolveRouterOptions({ ...all, ...GOOD }))).toBe(JSON.stringify(resolveRouterOptions(GOOD)));
  });

  it.each([undefined, null, 42])("are refused where they are %s", (options) => expectRefusal(options, "options"));

  it("are refused if required ones are missing", () => expectRefusal({}, "serverId"));

  it("are refused with an unknown name", () => {
    expectRefusal({ ...GOOD, maxPendings: 1 }, "maxPendings", /Did you mean maxPending\?$/);
  });
});

/** Passes the options as an untyped program would. */
function expectRefusal(options: unknown, field: string, message = /\.$/): void {
  expect(() => createRouter(options as RouterOptions)).toThrow(
    expect.objectContaining({
      code: "options-invalid",
      details: expect.objectContaining({ field }),
      message: expect.stringMatching(message),
    }),
  );
}

import { createMemoryStore } from "@cm/memory-store";
import { describe, expect, it } from "vitest";
import { createRouter, type RouterOptions, type RouterStore } from "./index.js";
import { resolveRouterOptions } from "./options.js";

const { bus, users } = createMemoryStore();
const GOOD: RouterOptions = {
  serverId: "a",
  store: { bus, users },
  local: { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 },
};

/**
 * An invalid value for each option. The compiler requires every option to be listed. `isRecoverable` is
 * excluded, because it requires another option.
 */
const WRONG: Readonly<Record<Exclude<keyof RouterOptions, "isRecoverable">, unknown>> = {
  serverId: "a.b",
  store: { bus },
  local: null,
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
  maxPending: 0.5,
  onError: [],
};

describe("the options of a router", () => {
  it("need a server id, a store with bus and users, and local sockets alone", () => {
    expect(createRouter(GOOD).stats().rooms).toBe(0);
  });

  it.each(Object.entries(WRONG))("are refused with a %s that can't be used", (field, value) => {
    expectRefusal({ ...GOOD, [field]: value }, field);
  });

  it.each<readonly [string, object]>([
    ["store.bus", { bus: { publish: () => undefined } }],
    ["store.bus.history", { bus: { publish: bus.publish, subscribe: bus.subscribe, history: {} } }],
    ["store.users", { users: {} }],
    ["store.servers", { servers: {} }],
  ])("are refused with a store whose %s can't be used", (field, part) => {
    expectRefusal({ ...GOOD, store: { bus, users, ...part } }, field);
  });

  it("are refused with an isRecoverable that is no function, or on a bus without a history", () => {
    expectRefusal({ ...GOOD, isRecoverable: true }, "isRecoverable");
    const store = { users, bus: { publish: bus.publish, subscribe: bus.subscribe } };
    expectRefusal({ ...GOOD, store, isRecoverable: () => true }, "isRecoverable");
  });

  it("take the parts of one store only: no bus, history, users or servers beside it", () => {
    const other = createMemoryStore();
    const unknown = / is not a known option\./;
    // @ts-expect-error
    expectRefusal({ ...GOOD, bus: other.bus } satisfies RouterOptions, "bus", unknown);
    // @ts-expect-error
    expectRefusal({ ...GOOD, history: other.bus.history } satisfies RouterOptions, "history", unknown);
    // @ts-expect-error
    expectRefusal({ ...GOOD, users: other.users } satisfies RouterOptions, "users", unknown);
    // @ts-expect-error
    expectRefusal({ ...GOOD, servers: other.servers } satisfies RouterOptions, "servers", unknown);
    // @ts-expect-error The history of a store is a part of its bus, not of the store.
    const mixed = { bus, users, history: other.bus.history } satisfies RouterStore;
    expect(resolveRouterOptions({ ...GOOD, store: mixed }).bus.history).toBe(bus.history);
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

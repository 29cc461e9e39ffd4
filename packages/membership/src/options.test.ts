import { createMemoryStore } from "@cm/memory-store";
import { createConnectionIdSource } from "@cm/protocol";
import { describe, expect, it } from "vitest";
import { createMembership, type MembershipOptions } from "./index.js";
import { resolveMembershipOptions } from "./options.js";

const GOOD: MembershipOptions = {
  ids: createConnectionIdSource({ serverId: "a" }),
  store: createMemoryStore(),
  interest: { enter: async () => undefined, exit: () => undefined },
};

/** An invalid value for each option. The compiler requires every option to be listed. */
const WRONG: Readonly<Record<keyof MembershipOptions, unknown>> = {
  ids: {},
  store: { servers: {} },
  interest: undefined,
  host: "",
  port: 65_536,
  heartbeatIntervalMs: 0,
  leaseTtlMs: "90s",
  deadAfterMs: 99,
  connectionTtlMs: 999,
  offlineGraceMs: -1,
  maxMetadataBytes: 0.5,
  maxConnectionsPerUser: 1.5,
  maxMemberships: -1,
  maxRooms: "10",
  lastSeenOf: 1,
  staleConnectionTimeoutMs: null,
  cleanupIntervalMs: Number.NaN,
  onStale: {},
  onRoomEntered: "lobby",
  onRoomExited: 1,
  onLeaseTaken: "log",
  reapClaimMs: 99,
  onServersLost: null,
  onDrift: [],
  onRestored: true,
  onError: "log",
  now: 0,
};

describe("the options of a membership", () => {
  it("need ids, a store and an interest alone", () => {
    expect(createMembership(GOOD).serverId).toBe("a");
  });

  it.each(Object.entries(WRONG))("are refused with a %s that can't be used", (field, value) => {
    expectRefusal({ ...GOOD, [field]: value }, field);
  });

  it("take undefined for not given", () => {
    const all: Partial<MembershipOptions> = Object.fromEntries(Object.keys(WRONG).map((name) => [name, undefined]));
    expect(JSON.stringify(resolveMembershipOptions({ ...all, ...GOOD }))).toBe(
      JSON.stringify(resolveMembershipOptions(GOOD)),
    );
  });

  it.each([90_000n, Symbol("90 s")])("are refused for their %s, from which a default is calculated", (leaseTtlMs) => {
    expectRefusal({ ...GOOD, leaseTtlMs }, "leaseTtlMs");
  });

  it.each([undefined, null, 42])("are refused where they are %s", (options) => expectRefusal(options, "options"));

  it("are refused if required ones are missing", () => expectRefusal({}, "ids"));

  it("are refused with an unknown name", () => {
    expectRefusal({ ...GOOD, leaseTtl: 1_000 }, "leaseTtl", /Did you mean leaseTtlMs\?$/);
  });
});

/** Passes the options as an untyped program would. */
function expectRefusal(options: unknown, field: string, message = /\.$/): void {
  expect(() => createMembership(options as MembershipOptions)).toThrow(
    expect.objectContaining({
      code: "options-invalid",
      details: expect.objectContaining({ field }),
      message: expect.stringMatching(message),
    }),
  );
}

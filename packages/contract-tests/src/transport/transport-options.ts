import { isCmError } from "@cm/protocol";
import { resolveTransportOptions, type TransportOptions } from "@cm/transport";
import { describe, expect, it } from "vitest";
import { type CreateTransport, testOptions } from "./transport-harness.js";

/** Values that are invalid for every numeric option with a range. (Null selects the default.) */
const NO_NUMBERS: unknown[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -1,
  1.5,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e308,
  "8000",
  "",
  true,
  {},
  [],
  [8_000],
  10n,
  Symbol("number"),
  () => 8_000,
];

const NUMBER_FIELDS: Record<string, unknown[]> = {
  port: [65_536, undefined, null],
  maxConnections: [0, 1_000_001],
  maxPendingUpgrades: [1_000_001],
  maxControlFramesPerSecond: [1_000_001],
  maxHeadBytes: [0, 1_023, 65_537],
  maxFrameBytes: [0, 127, 16 * 1024 * 1024 + 1],
  maxBackpressureBytes: [0, 64 * 1024 - 1, 256 * 1024 * 1024 + 1],
  roomWindowMs: [101, "AUTO", "10"],
  maxMembersPerTurn: [0, 9, 1_000_001],
  // The server adds a margin to this, and uWebSockets.js would abort the process for more than 960 s.
  idleTimeoutMs: [0, 1, 999, 900_001],
  pingIntervalMs: [1, 99, 120_000],
  authenticationTimeoutMs: [0, 600_001],
  closeTimeoutMs: [600_001],
};

const OTHER_FIELDS: Record<string, unknown[]> = {
  host: ["", " ", "a b", "a\u0000b", "http://x", "x".repeat(254), "::g", 0, 1, {}, [], "-x-"],
  path: ["", "ws", "/:id", "/*", "/a*", "/a?b", "/a#b", "/é", "/a b", "/\n", `/${"x".repeat(256)}`, 0, {}],
  subprotocols: [undefined, null, [], "test.v1", [""], ["a b"], ["a,b"], ["é"], [1], ["x".repeat(65)], [undefined]],
  allowedOrigins: [
    null,
    "https://example.com",
    [""],
    ["*"],
    ["https://example.com/"],
    ["https://example.com/path"],
    ["HTTPS://example.com"],
    ["https://example.com:443"],
    ["example.com"],
    [1],
    [undefined],
  ],
  authenticate: [undefined, null, "f", {}],
  nextConnectionId: [undefined, null, "id", 1],
  onError: [undefined, null, {}],
  handler: [
    undefined,
    null,
    () => undefined,
    {},
    { open: () => undefined },
    { open: 1, frame: 1, binary: 1, closed: 1 },
    { ...testOptions().options.handler, pong: 1 },
  ],
  roomWindows: [
    "auto",
    {},
    [null],
    [{ prefix: "x" }],
    [{ windowMs: 1 }],
    [{ prefix: "x", windowMs: 101 }],
    Array.from({ length: 101 }, () => ({ prefix: "x", windowMs: 1 })),
  ],
  slowReaders: [
    null,
    "drop",
    () => "drop",
    {},
    { policyOf: "drop" },
    { policyOf: () => "drop", keyOf: "x" },
    { policyOf: () => "drop", maxBytes: 1_023 },
    { policyOf: () => "drop", maxBytes: 512 * 1024 + 1 },
  ],
  faults: ["x", 1, {}, { count: () => undefined }],
  routes: [
    "x",
    1,
    { x: () => undefined },
    { "/x": 1 },
    { "/:x": () => undefined },
    { "/ws": () => undefined },
    { "FETCH /x": () => undefined },
    { "POST /x": { maxBodyBytes: 1_024 } },
    { "POST /x": { maxBodyBytes: -1, answer: () => undefined } },
    { "post /x": () => undefined },
    { "/x": () => undefined, "GET /x": () => undefined },
  ],
};

export function describeTransportOptions(createTransport: CreateTransport): void {
  /** The code and field of the error that `createTransport` throws for options with these overrides. */
  function refusalOf(overrides: Record<string, unknown>): unknown {
    try {
      // Values that plain JavaScript may pass.
      createTransport({ ...testOptions().options, ...overrides } as unknown as TransportOptions<string>);
    } catch (error) {
      return isCmError(error) ? [error.code, String(error.details?.field)] : error;
    }
    return undefined;
  }

  describe("options", () => {
    const rows = [
      ...Object.entries(NUMBER_FIELDS).map(([field, own]) => [field, [...own, ...NO_NUMBERS]] as const),
      ...Object.entries(OTHER_FIELDS),
    ].flatMap(([field, values]) => values.map((value) => ({ field, value })));

    it.each(rows)("refuse $field = $value", ({ field, value }) => {
      const outcome = refusalOf({ [field]: value });
      expect(outcome).toEqual(["options-invalid", expect.stringMatching(new RegExp(`^${field}`))]);
    });

    it.each([[undefined], [null], ["options"], [7]])("refuse %j instead of an object", (value) => {
      // Values that plain JavaScript may pass.
      expect(() => resolveTransportOptions(value as unknown as TransportOptions<string>)).toThrow(
        expect.objectContaining({ code: "options-invalid" }),
      );
    });

    it("refuse a name that is not known, and suggest the one that was meant", () => {
      expect(() => createTransport(Object.assign(testOptions().options, { maxFrameByte: 1_024 }))).toThrow(
        expect.objectContaining({
          code: "options-invalid",
          message: "maxFrameByte is not a known option. Did you mean maxFrameBytes?",
          details: expect.objectContaining({ field: "maxFrameByte" }),
        }),
      );
    });

    it.each<[string, string | undefined, object]>([
      ["roomWindows[0].window", "windowMs", { roomWindows: [{ prefix: "x", window: 5 }] }],
      ["slowReaders.maxByte", "maxBytes", { slowReaders: { policyOf: () => "drop", maxByte: 4_096 } }],
      ["slowReaders.keyof", "keyOf", { slowReaders: { policyOf: () => "latest", keyof: () => "x" } }],
      ["slowReaders.colour", undefined, { slowReaders: { policyOf: () => "drop", colour: "red" } }],
      [
        'routes["POST /x"].maxBodyByte',
        "maxBodyBytes",
        { routes: { "POST /x": { maxBodyByte: 1_024, answer: () => ({ status: 200 }) } } },
      ],
    ])("refuse the unknown name %s, and suggest %s", (field, nearest, overrides) => {
      const parent = field.slice(0, field.lastIndexOf(".") + 1);
      const hint = nearest === undefined ? "" : ` Did you mean ${parent}${nearest}?`;
      expect(() => createTransport(Object.assign(testOptions().options, overrides))).toThrow(
        expect.objectContaining({
          code: "options-invalid",
          message: `${field} is not a known option.${hint}`,
          details: { field, nearest },
        }),
      );
    });

    it.each(["host", "path", "maxConnections", "allowedOrigins", "routes", "faults", "onError", "handler"])(
      "refuse null for %s",
      (field) => {
        expect(refusalOf({ [field]: null })).toEqual(["options-invalid", field]);
      },
    );

    it("have documented defaults, also if a value is explicitly undefined", () => {
      const { options } = testOptions();
      const { port, subprotocols, authenticate, nextConnectionId, handler, onError } = options;
      const given = { port, subprotocols, authenticate, nextConnectionId, handler, onError };
      const expected = {
        host: "127.0.0.1",
        path: "/ws",
        allowedOrigins: undefined,
        maxConnections: 10_000,
        maxPendingUpgrades: 1_000,
        maxControlFramesPerSecond: 20,
        maxHeadBytes: 16 * 1024,
        maxFrameBytes: 16 * 1024,
        maxBackpressureBytes: 1024 * 1024,
        idleTimeoutMs: 120_000,
        pingIntervalMs: 25_000,
        authenticationTimeoutMs: 5_000,
        closeTimeoutMs: 5_000,
      };
      expect(resolveTransportOptions(given)).toMatchObject(expected);
      expect(resolveTransportOptions({ ...given, host: undefined, maxFrameBytes: undefined })).toMatchObject(expected);
    });

    it("take every value at the ends of its range", () => {
      const { options } = testOptions();
      const least = {
        port: 0,
        maxConnections: 1,
        maxPendingUpgrades: 0,
        maxControlFramesPerSecond: 0,
        maxHeadBytes: 1_024,
        maxFrameBytes: 128,
        maxBackpressureBytes: 65_536,
        idleTimeoutMs: 1_000,
        pingIntervalMs: 0,
        authenticationTimeoutMs: 1,
        closeTimeoutMs: 0,
      };
      const most = {
        port: 65_535,
        maxConnections: 1_000_000,
        maxPendingUpgrades: 1_000_000,
        maxControlFramesPerSecond: 1_000_000,
        maxHeadBytes: 65_536,
        maxFrameBytes: 16 * 1024 * 1024,
        maxBackpressureBytes: 256 * 1024 * 1024,
        idleTimeoutMs: 900_000,
        pingIntervalMs: 899_999,
        authenticationTimeoutMs: 600_000,
        closeTimeoutMs: 600_000,
      };
      expect(resolveTransportOptions({ ...options, ...least }).pingIntervalMs).toBe(0);
      expect(resolveTransportOptions({ ...options, ...most }).pingIntervalMs).toBe(899_999);
      expect(resolveTransportOptions({ ...options, idleTimeoutMs: 8_001 }).pingIntervalMs).toBe(4_000);
    });

    it.each([1_000, 1_001, 8_000, 11_000, 13_500, 899_001, 900_000])(
      "that pass survive native code: idleTimeoutMs %i",
      async (idleTimeoutMs) => {
        const server = createTransport({ ...testOptions().options, idleTimeoutMs });
        expect((await server.start()).port).toBeGreaterThan(0);
        await server.close();
      },
    );

    it.each(["https://example.com", "http://localhost:8080", "null", "chrome-extension://abcdef", "http://[::1]:3000"])(
      "take the origin %s",
      (origin) => {
        const resolved = resolveTransportOptions({ ...testOptions().options, allowedOrigins: [origin] });
        expect(resolved.allowedOrigins?.has(origin)).toBe(true);
      },
    );
  });
}

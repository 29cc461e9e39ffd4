import { isCmError } from "@cm/protocol";
import { expect, test } from "vitest";
import { type LoadOptions, resolveLoadOptions } from "./load-options.js";

const LOCAL = ["ws://127.0.0.1:3000/ws"];

function codeOf(options: LoadOptions): string {
  try {
    resolveLoadOptions(options);
  } catch (error) {
    if (isCmError(error)) return `${error.code} ${String(error.details?.field)}`;
  }
  return "accepted";
}

test.each(["ws://127.0.0.1/ws", "ws://127.9.9.9:1/ws", "ws://localhost:3000/ws", "ws://[::1]:3000/ws"])(
  "%s is this machine and accepted",
  (url) => {
    expect(codeOf({ urls: [url] })).toBe("accepted");
  },
);

test.each(["ws://192.0.2.1/ws", "ws://example.test/ws", "ws://127.0.0.1.example.test/ws", "ws://0.0.0.0/ws"])(
  "%s is refused without its owner's consent",
  (url) => {
    expect(codeOf({ urls: [url] })).toBe("options-invalid urls");
    expect(codeOf({ urls: [url], allowRemote: true })).toBe("accepted");
  },
);

test.each<[string, Partial<LoadOptions>]>([
  ["urls", { urls: [] }],
  ["urls", { urls: ["wss://127.0.0.1/ws"] }],
  ["urls", { urls: ["not a url"] }],
  ["rooms", { rooms: 0 }],
  ["rooms", { rooms: 1.5 }],
  ["members", { rooms: 1_000, members: 1_000 }],
  ["publishers", { members: 5, publishers: 6 }],
  ["publishers", { rooms: 4, members: 5_000 }],
  ["rate", { rate: Number.NaN }],
  ["rate", { rate: 1_000_000 }],
  ["burst", { burst: 0 }],
  ["burst", { burst: 2.5 }],
  ["maxInFlight", { maxInFlight: 0 }],
  ["maxInFlight", { maxInFlight: 10, echo: false }],
  ["seconds", { seconds: 7_200 }],
  ["bytes", { bytes: 10 }],
  ["ramp", { ramp: 0 }],
  ["seed", { seed: -1 }],
  ["userPrefix", { userPrefix: "a b" }],
])("A bad %s is refused by name: %j", (field, options) => {
  expect(codeOf({ urls: LOCAL, ...options })).toBe(`options-invalid ${field}`);
});

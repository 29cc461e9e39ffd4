import { testOptions } from "@cm/contract-tests/transport";
import { expect, it } from "vitest";
import { createUwsServer } from "./server.js";

// `true` is refused, too, because the port is 0 here, which can't be shared.
it.each(["yes", 1, 0, {}, true])("sharePort is refused where it is %j", (sharePort) => {
  // Invalid values from callers without type checks.
  expect(() => createUwsServer({ ...testOptions().options, sharePort: sharePort as boolean })).toThrow(
    expect.objectContaining({ code: "options-invalid", details: { field: "sharePort" } }),
  );
});

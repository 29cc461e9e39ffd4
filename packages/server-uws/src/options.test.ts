import { testOptions } from "@cm/contract-tests/transport";
import { expect, it } from "vitest";
import { createUwsServer } from "./server.js";

// `true` is also refused, because the port is 0 here, and a random port can't be shared.
it.each(["yes", 1, 0, {}, true])("sharePort is refused where it is %j", (sharePort) => {
  // Pass invalid values, as callers without type checks may do.
  expect(() => createUwsServer({ ...testOptions().options, sharePort: sharePort as boolean })).toThrow(
    expect.objectContaining({ code: "options-invalid", details: { field: "sharePort" } }),
  );
});

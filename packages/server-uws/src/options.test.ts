import { testOptions } from "@cm/contract-tests/transport";
import { expect, it } from "vitest";
import { createUwsServer } from "./server.js";

// The port is 0 here, which can't be shared.
it.each(["yes", 1, 0, {}, true])("sharePort is refused where it is %j", (sharePort) => {
  // What plain JavaScript may hand in.
  expect(() => createUwsServer({ ...testOptions().options, sharePort: sharePort as boolean })).toThrow(
    expect.objectContaining({ code: "options-invalid", details: { field: "sharePort" } }),
  );
});

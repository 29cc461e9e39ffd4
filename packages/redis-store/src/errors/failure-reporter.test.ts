import { CmError } from "@cm/protocol";
import { expect, it } from "vitest";
import { FailureReporter } from "./failure-reporter.js";
import { corrupt } from "./store-error.js";

const LINK_FAILURE = new CmError("unavailable", "Redis can't be reached.");

function reporter(): { readonly reports: FailureReporter; readonly seen: string[] } {
  const seen: string[] = [];
  return { reports: new FailureReporter((error, { stage }) => seen.push(`${stage} ${error.message}`)), seen };
}

it("reports a failure of the link once per outage", () => {
  const { reports, seen } = reporter();
  for (let attempt = 0; attempt < 3; attempt++) reports.once(LINK_FAILURE, "link");
  reports.forget("link");
  for (let attempt = 0; attempt < 3; attempt++) reports.once(LINK_FAILURE, "link");
  expect(seen).toEqual(["link Redis can't be reached.", "link Redis can't be reached."]);
});

it("reports a failure of the link after 1,000 keys with foreign data, of which it reports each once", () => {
  const { reports, seen } = reporter();
  for (let repeat = 0; repeat < 2; repeat++) {
    for (let i = 0; i < 2_000; i++) reports.once(corrupt([`key-${i}`], "foreign data"), "store");
  }
  expect(seen).toHaveLength(1_000);
  reports.once(LINK_FAILURE, "link");
  expect(seen.slice(1_000)).toEqual(["link Redis can't be reached."]);
});

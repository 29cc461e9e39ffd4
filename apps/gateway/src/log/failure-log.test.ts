import { inspect } from "node:util";
import { CmError } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it } from "vitest";
import { createFailureLog } from "./failure-log.js";

type Line = Record<string, unknown> & { readonly msg: string };

function journal() {
  const lines: Line[] = [];
  const error = (fields: Readonly<Record<string, unknown>>, msg: string): void => void lines.push({ ...fields, msg });
  return { lines, log: { error } };
}

const away = (): CmError => new CmError("unavailable", "Redis is away.");

it("writes the first of each kind in full, and counts the others", () => {
  const { lines, log } = journal();
  const failures = createFailureLog(log);
  for (let i = 0; i < 2_500; i++) failures.report(away(), "projection");
  for (let i = 0; i < 3; i++) failures.report(away(), "link");
  failures.report(new TypeError("a bug"), "request");
  expect(lines).toMatchObject([
    { msg: "background failure", stage: "projection", code: "unavailable", err: { message: "Redis is away." } },
    { msg: "background failure", stage: "link", code: "unavailable" },
    { msg: "a request failed", stage: "request", code: "TypeError" },
  ]);
  failures.flush();
  expect(lines.slice(3)).toEqual([
    {
      msg: "more failures of the kinds already logged",
      failures: [
        { stage: "projection", code: "unavailable", repeated: 2_499 },
        { stage: "link", code: "unavailable", repeated: 2 },
      ],
    },
  ]);
});

it("sums up by itself, and writes a kind in full again once it was quiet", async () => {
  const { lines, log } = journal();
  const failures = createFailureLog(log, 20);
  failures.report(away(), "link");
  failures.report(away(), "link");
  await eventually(() => expect(lines).toHaveLength(2));
  expect(lines[1]).toMatchObject({ failures: [{ repeated: 1 }] });
  await eventually(() => {
    failures.report(away(), "bus");
    failures.flush();
    failures.flush();
    failures.report(away(), "link");
    expect(lines.at(-1)).toMatchObject({ stage: "link", err: {} });
  });
  failures.flush();
  failures.flush();
});

it("stays small, whatever the errors are called", () => {
  const { lines, log } = journal();
  const failures = createFailureLog(log);
  for (let i = 0; i < 1_000; i++) failures.report(Object.assign(new Error("x"), { name: `Error${i}` }), "handler");
  expect(lines).toHaveLength(64);
  failures.flush();
  expect(lines.at(-1)).toMatchObject({ failures: [{ stage: "others", code: "others", repeated: 936 }] });
  failures.flush();
});

it("has a place of its own for what the application throws, of bounded size and without fields of the errors", () => {
  const { lines, log } = journal();
  const failures = createFailureLog(log);
  for (let i = 0; i < 1_000; i++) {
    // Errors of HTTP clients have such fields.
    const fields = { config: { headers: { authorization: "Bearer s3cr3t" } } };
    const cause = Object.assign(new Error(`${i} ${"x".repeat(100_000)}`, { cause: new Error("down") }), fields);
    failures.report(new CmError("internal", "It failed.", { cause, details: { hook: "onJoin" } }), "request");
  }
  failures.report(Object.assign(away(), { config: "s3cr3t" }), "link");
  expect(lines).toHaveLength(33);
  expect(lines[0]).toMatchObject({ msg: "a hook failed", hook: "onJoin", code: "internal" });
  expect(lines[0]?.err).toMatchObject({
    code: "internal",
    cause: { message: expect.stringMatching(/^0 x{498}…$/), cause: { message: "down" } },
  });
  expect(lines.at(-1)).toMatchObject({ stage: "link", err: { message: "Redis is away." } });
  const written = inspect(lines, { depth: 9, showHidden: true });
  expect(written).not.toContain("s3cr3t");
  expect(written.length).toBeLessThan(33 * 10_000);
  failures.flush();
  expect(lines.at(-1)).toMatchObject({ failures: [{ stage: "others of the application", repeated: 968 }] });
  failures.flush();
});

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { ROOT } from "./workspace.mjs";

const FOLDER = join(ROOT, "deploy", "kubernetes");
const FILES = readdirSync(FOLDER);

/** The Kubernetes objects of a text, as `{ apiVersion, kind, ... }`. */
const objectsOf = (text) => parseAllDocuments(text).map((document) => document.toJS());

/** Why the schema of its kind rejects an object; `undefined` if it does not. */
async function fault(object) {
  const kinds = await import(/* @vite-ignore */ `kubernetes-models/${object.apiVersion}`);
  try {
    new kinds[object.kind](object).validate();
    return undefined;
  } catch (error) {
    return error.message;
  }
}

it.each(FILES)("the objects of %s follow the schemas of Kubernetes", async (file) => {
  const objects = objectsOf(readFileSync(join(FOLDER, file), "utf8"));
  expect(objects.length).toBeGreaterThan(0);
  for (const object of objects) expect([object.kind, await fault(object)]).toEqual([object.kind, undefined]);
});

it("an object with a field of a wrong type does not follow them", async () => {
  const [deployment] = objectsOf(readFileSync(join(FOLDER, "gateway.yaml"), "utf8"));
  deployment.spec.replicas = "three";
  expect(await fault(deployment)).toContain("data/spec/replicas must be integer");
});

it.each(FILES)("a pod of %s has the time to wait, to drain and to close", (file) => {
  const [{ spec }] = objectsOf(readFileSync(join(FOLDER, file), "utf8"));
  const { containers, terminationGracePeriodSeconds } = spec.template.spec;
  const [{ env, lifecycle }] = containers;
  const drainSeconds = Number(env.find(({ name }) => name === "DRAIN_SECONDS").value);
  const [, waitMs] = /, (\d+)\)$/.exec(lifecycle.preStop.exec.command.at(-1));
  const SHUTDOWN_SECONDS = 10; // The default of SHUTDOWN_TIMEOUT_MS.
  expect(terminationGracePeriodSeconds).toBeGreaterThan(Number(waitMs) / 1_000 + drainSeconds + SHUTDOWN_SECONDS);
});

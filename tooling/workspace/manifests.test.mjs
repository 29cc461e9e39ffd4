import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Deployment, StatefulSet } from "kubernetes-models/apps/v1";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1";
import { Service } from "kubernetes-models/v1";
import { expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { ROOT } from "./workspace.mjs";

const FOLDER = join(ROOT, "deploy", "kubernetes");
const FILES = readdirSync(FOLDER);

/** The Kubernetes objects of a text, as `{ apiVersion, kind, ... }`. */
const objectsOf = (text) => parseAllDocuments(text).map((document) => document.toJS());

const KINDS = { Deployment, PodDisruptionBudget, Service, StatefulSet };

/** Returns the message with which the schema of its kind rejects an object; `undefined` if the object is valid. */
function fault(object) {
  try {
    new KINDS[object.kind](object).validate();
    return undefined;
  } catch (error) {
    return error.message;
  }
}

it.each(FILES)("the objects of %s follow the schemas of Kubernetes", (file) => {
  const objects = objectsOf(readFileSync(join(FOLDER, file), "utf8"));
  expect(objects.length).toBeGreaterThan(0);
  for (const object of objects) expect([object.kind, fault(object)]).toEqual([object.kind, undefined]);
});

it("an object with a field of a wrong type does not follow them", () => {
  const [deployment] = objectsOf(readFileSync(join(FOLDER, "gateway.yaml"), "utf8"));
  deployment.spec.replicas = "three";
  expect(fault(deployment)).toContain("data/spec/replicas must be integer");
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

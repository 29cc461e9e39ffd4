import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, mergeConfig, type Plugin } from "vitest/config";
import base from "../../vitest.config.js";
import { applied, MUTANT_VARIABLE, type Mutant, PACKAGE_VARIABLE } from "./src/mutant.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const given = process.env[MUTANT_VARIABLE];
const mutant = given === undefined ? undefined : (JSON.parse(given) as Mutant);

/** Applies the mutation when the file is loaded: nothing is changed on disk. */
const change: Plugin = {
  name: "mutant",
  enforce: "pre",
  load(id) {
    if (mutant === undefined || relative(ROOT, id.replace(/\?.*$/, "")) !== mutant.file) return null;
    return applied(readFileSync(id, "utf8"), mutant.mutation);
  },
};

const packageName = process.env[PACKAGE_VARIABLE] ?? "*";

export default mergeConfig(
  { ...base, test: { ...base.test, include: [`packages/${packageName}/src/**/*.test.ts`] } },
  defineConfig({ root: ROOT, plugins: [change], test: { bail: 1 } }),
);

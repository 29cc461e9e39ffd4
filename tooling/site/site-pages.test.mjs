import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesUnder } from "../workspace/setup/build-stamp.mjs";
import { ROOT } from "../workspace/workspace.mjs";
import { sourcePage } from "./site-pages.mjs";

const linkTo = (path) => `/source/${path}`;

describe("the page of an example", () => {
  it.each(["05-presence-for-ws", "15-own-store"])("shows every file that %s is made of", (name) => {
    const page = sourcePage(`examples/${name}`, linkTo);
    const files = filesUnder(`examples/${name}/src`);
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect(page).toContain(readFileSync(join(ROOT, file), "utf8").trimEnd());
    expect(page).toContain(`"name": "@cm/example-${name}"`);
    expect(page).not.toContain(".turbo");
  });

  it("has an install line whose names are those of the registry", () => {
    const page = sourcePage("examples/02-uws-alone", linkTo);
    expect(page).toMatch(/^npm install @cm\/.* uWebSockets\.js@npm:uwebsockets@\S+/m);
  });

  it("is linked from the pages of its files", () => {
    const page = sourcePage("examples/05-presence-for-ws/src/store.ts", linkTo);
    expect(page).toContain("[examples/05-presence-for-ws](/source/examples/05-presence-for-ws)");
  });
});

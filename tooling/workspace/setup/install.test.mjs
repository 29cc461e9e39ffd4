import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cleanEnvironment, mustRun, pnpmCommand, runCommand } from "../child-commands.mjs";
import { publishablePackages } from "../workspace.mjs";

const PACKAGES = ["@cm/protocol", "@cm/transport", "@cm/server-uws"];

/** A program that prints the result of starting a server as JSON. */
const PROGRAM = `
import { createUwsServer } from "@cm/server-uws";
const nothing = () => undefined;
const handler = { open: nothing, frame: nothing, binary: nothing, closed: nothing };
const server = createUwsServer({
  port: 0, subprotocols: ["x"], authenticate: nothing, nextConnectionId: nothing, handler, onError: nothing,
});
const error = await server.start().catch((cause) => cause);
await server.close();
console.log(JSON.stringify({ code: error?.code, message: error?.message }));
`;

let folder;
let tarballs;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cm-install-"));
  const filters = PACKAGES.flatMap((name) => ["--filter", name]);
  await mustRun("Packing", ...pnpmCommand([...filters, "-r", "pack", "--pack-destination", folder]));
  const packed = publishablePackages().filter(({ manifest }) => PACKAGES.includes(manifest.name));
  tarballs = Object.fromEntries(
    packed.map(({ manifest: { name, version } }) => [
      name,
      `file:${join(folder, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)}`,
    ]),
  );
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Creates an empty project that depends on the tarballs. */
function project(name) {
  const dir = join(folder, name);
  mkdirSync(dir);
  writeFileSync(
    join(dir, "package.json"),
    JSON.stringify({ name, private: true, type: "module", dependencies: tarballs }),
  );
  // pnpm asks a registry for transitive dependencies, even if the project has a matching one.
  const overrides = Object.entries(tarballs).map(([id, file]) => `  "${id}": ${file}\n`);
  writeFileSync(join(dir, "pnpm-workspace.yaml"), `overrides:\n${overrides.join("")}`);
  writeFileSync(join(dir, "main.js"), PROGRAM);
  return dir;
}

describe("@cm/server-uws in an empty project", () => {
  // Without a network: anything that is not in the tarballs, such as a peer that no registry has, would fail
  // the installation.
  it.each([
    ["npm", "npm", ["install", "--offline", "--no-audit", "--no-fund"]],
    ["pnpm", ...pnpmCommand(["install", "--offline"])],
  ])("is installed by %s without uWebSockets.js, and says at start what to install", async (name, program, args) => {
    const cwd = project(name);
    const installed = await runCommand(program, args, { cwd });
    expect(installed, installed.output).toMatchObject({ code: 0 });
    // A test runner's own NODE_PATH would lead to the workspace's uWebSockets.js.
    const env = cleanEnvironment({ NODE_PATH: "" });
    const { code, output } = await runCommand(process.execPath, ["main.js"], { cwd, env });
    expect(code, output).toBe(0);
    const failure = JSON.parse(output);
    expect(failure.code).toBe("native-load-failed");
    expect(failure.message).toMatch(/^uWebSockets\.js is not installed .*npm install uNetworking\/uWebSockets\.js#v\d/);
  });
});

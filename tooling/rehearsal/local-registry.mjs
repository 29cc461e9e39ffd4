import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../workspace/free-port.mjs";
import { SetupError } from "../workspace/workspace.mjs";

const START_TIMEOUT_MS = 60_000;

/**
 * A made-up token, because npm requires one. Any client may publish, since the registry listens on loopback
 * for one run only.
 */
const TOKEN = "rehearsal";

/**
 * Starts a registry for only the packages of this workspace, with its data in `folder`. Resolves to
 * `{ url, npmrc, document(name), close() }`; `npmrc` has the lines that assign the scope `@cm` to it. Other
 * packages come from the registry that is configured in the environment.
 */
export async function startRegistry(folder) {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const config = join(folder, "config.yaml");
  writeFileSync(config, configuration(folder));
  const cli = join(dirname(createRequire(import.meta.url).resolve("verdaccio/package.json")), "bin", "verdaccio");
  const child = spawn(process.execPath, [cli, "--config", config, "--listen", `127.0.0.1:${port}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => output.push(chunk));
  const startedAt = performance.now();
  while (!(await answers(url))) {
    if (child.exitCode !== null || performance.now() - startedAt > START_TIMEOUT_MS) {
      child.kill("SIGKILL");
      throw new SetupError(`The registry did not start:\n${Buffer.concat(output)}`);
    }
    await sleep(100);
  }
  return {
    url,
    npmrc: `@cm:registry=${url}\n//127.0.0.1:${port}/:_authToken=${TOKEN}\n`,
    async document(name) {
      const response = await fetch(`${url}${name.replace("/", "%2f")}`, { signal: AbortSignal.timeout(10_000) });
      if (!response.ok) throw new SetupError(`The registry has no ${name}: status ${response.status}.`);
      return response.json();
    },
    async close() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function configuration(folder) {
  return [
    `storage: ${JSON.stringify(join(folder, "storage"))}`,
    "web: { enable: false }",
    "auth:",
    `  htpasswd: { file: ${JSON.stringify(join(folder, "htpasswd"))} }`,
    "uplinks: {}",
    "packages:",
    "  '@cm/*': { access: $all, publish: $all, unpublish: $all }",
    "log: { type: stdout, format: pretty, level: warn }",
    "",
  ].join("\n");
}

async function answers(url) {
  try {
    return (await fetch(`${url}-/ping`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

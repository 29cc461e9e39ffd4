import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const TOKEN_SECRET = "0123456789abcdef0123456789abcdef";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], env: Record<string, string> = {}, cwd = tmpdir()): Promise<Outcome> {
  return runNode([MAIN, ...args], env, cwd);
}

function runNode(args: readonly string[], env: Record<string, string> = {}, cwd = tmpdir()): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      args,
      { env: { PATH: process.env.PATH ?? "", ...env }, cwd, timeout: 20_000 },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

it("says how it is used and which version it is, and refuses arguments that it does not know", async () => {
  const [help, version, unknown, extra] = await Promise.all([
    run(["--help"]),
    run(["--version"]),
    run(["--frobnicate"]),
    run(["serve"]),
  ]);
  expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining("cm-gateway token --user NAME") });
  expect(help.stdout).toContain("MAX_BACKPRESSURE_BYTES");
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/) });
  expect(unknown).toMatchObject({ code: 64, stdout: "", stderr: expect.stringContaining("--frobnicate") });
  expect(extra).toMatchObject({ code: 64, stdout: "", stderr: expect.stringContaining("serve") });
});

it("ends with 78 and one line on a Node.js that is too old", async () => {
  // This module is loaded before the program and makes it see an older Node.js.
  const oldNode = `data:text/javascript,
    Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.4" } });`;
  expect(await runNode(["--import", oldNode, MAIN])).toEqual({
    code: 78,
    stdout: "",
    stderr: "Node.js 18.20.4 is too old: install 20.19.0 or newer.\n",
  });
});

it("makes a token for development, and says what one holds or why it is refused", async () => {
  const env = { TOKEN_SECRET, TOKEN_ISSUER: "here" };
  const made = await run(
    ["token", "--user", "ada", "--join", "lobby", "--join", "game-*", "--publish", "lobby", "--ttl", "60"],
    env,
  );
  expect(made).toMatchObject({ code: 0, stderr: "" });
  const token = made.stdout.trim();
  const [good, signature, issuer, keyless, short, user] = await Promise.all([
    run(["token", "--check", token], env),
    run(["token", "--check", token], { TOKEN_SECRET: "another.another.another.another." }),
    run(["token", "--check", token], { ...env, TOKEN_ISSUER: "elsewhere" }),
    run(["token", "--check", token]),
    run(["token", "--user", "ada"], { TOKEN_SECRET: "short" }),
    run(["token", "--join", "lobby"], env),
  ]);
  const { user: name, rights, expires } = JSON.parse(good.stdout);
  expect([good.code, name]).toEqual([0, "ada"]);
  expect(rights).toMatchObject({ join: ["lobby", "game-*"], publish: ["lobby"], send: [] });
  expect(Math.abs(Date.parse(expires) - Date.now() - 60_000)).toBeLessThan(30_000);
  expect(signature).toMatchObject({ code: 1, stderr: expect.stringContaining("unauthorized (signature)") });
  expect(issuer).toMatchObject({ code: 1, stderr: expect.stringContaining("unauthorized (claim)") });
  expect(keyless).toMatchObject({ code: 78, stderr: expect.stringContaining("TOKEN_SECRET") });
  expect(short).toMatchObject({ code: 78, stderr: expect.stringMatching(/^(?!.*short).*TOKEN_SECRET/) });
  expect(user).toMatchObject({ code: 64, stderr: expect.stringContaining("--user") });
});

it("adds .env.local to the environment, which wins", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "cm-env-"));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, ".env.local"), "PORT=from-the-file\nLOG_LEVEL=loud\n");
  const outcome = await run([], { LOG_LEVEL: "info" }, cwd);
  expect(outcome).toMatchObject({ code: 78, stderr: expect.stringContaining("from-the-file") });
  expect(outcome.stderr).not.toContain("LOG_LEVEL");
});

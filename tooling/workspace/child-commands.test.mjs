import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it, vi } from "vitest";
import { cleanEnvironment } from "./child-commands.mjs";

const made = [];

afterEach(() => {
  vi.unstubAllEnvs();
  for (const undo of made.splice(0)) undo();
});

/** A program that counts the signals it gets. On SIGHUP it exits with 7 plus their number. */
const COUNTING = `
let signals = 0;
for (const name of ["SIGINT", "SIGTERM"]) process.on(name, () => { signals += 1; console.log("got", name); });
process.on("SIGHUP", () => process.exit(7 + signals));
setInterval(() => {}, 1000);
console.log("ready", process.pid);
`;

/** Starts a process that runs `program` in the foreground; returns its lines and its end. */
function inFront(program) {
  const folder = mkdtempSync(join(tmpdir(), "in front "));
  writeFileSync(join(folder, "program.mjs"), program);
  const outer = `import { runInFront } from ${JSON.stringify(new URL("./child-commands.mjs", import.meta.url).href)};
    await runInFront(${JSON.stringify(join(folder, "program.mjs"))}, []);`;
  writeFileSync(join(folder, "outer.mjs"), outer);
  const child = spawn(process.execPath, [join(folder, "outer.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  made.push(() => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  return { child, ended, nextLine: async () => (await lines.next()).value };
}

describe("a program that runs in front", () => {
  it("gives its exit code to the one that started it", async () => {
    expect(await inFront("process.exit(42)").ended).toBe(42);
  });

  it("gets a Ctrl-C once, although npm repeats it", async () => {
    const { child, ended, nextLine } = inFront(COUNTING);
    expect(await nextLine()).toMatch(/^ready/);
    child.kill("SIGINT");
    expect(await nextLine()).toBe("got SIGINT");
    child.kill("SIGINT");
    child.kill("SIGHUP");
    expect(await ended).toBe(8);
  });

  it("gets another signal after the first", async () => {
    const { child, ended, nextLine } = inFront(COUNTING);
    expect(await nextLine()).toMatch(/^ready/);
    child.kill("SIGINT");
    expect(await nextLine()).toBe("got SIGINT");
    child.kill("SIGTERM");
    expect(await nextLine()).toBe("got SIGTERM");
    child.kill("SIGHUP");
    expect(await ended).toBe(9);
  });

  it("says by its exit code which signal killed it", async () => {
    expect(await inFront('process.kill(process.pid, "SIGKILL")').ended).toBe(137);
  });

  it("forks programs that end when their channel closes", async () => {
    const { ended } = inFront(`
      import { fork } from "node:child_process";
      import { fileURLToPath } from "node:url";
      if (process.argv[2] === "forked") {
        process.on("message", () => process.exit(5));
        process.send("here");
      } else {
        const child = fork(fileURLToPath(import.meta.url), ["forked"]);
        child.on("exit", (code) => process.exit(code));
        child.on("message", () => child.send("end"));
      }
    `);
    expect(await ended).toBe(5);
  });

  it("ends when its parent process is killed", async () => {
    const { child, nextLine } = inFront(
      COUNTING.replace("setInterval", 'process.on("SIGTERM", () => process.exit()); setInterval'),
    );
    const pid = Number((await nextLine()).split(" ")[1]);
    child.kill("SIGKILL");
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"), { timeout: 10_000 });
  });
});

describe("the environment of a command", () => {
  it("lacks what npm adds for its script, and keeps what reaching a registry needs", () => {
    vi.stubEnv("npm_config_local_prefix", "/somewhere");
    vi.stubEnv("npm_package_name", "cm-workspace");
    vi.stubEnv("npm_config_cafile", "/certificates.pem");
    const environment = cleanEnvironment({ CI: "true" });
    expect(environment).toMatchObject({ CI: "true", PATH: process.env.PATH, npm_config_cafile: "/certificates.pem" });
    expect(Object.keys(environment)).not.toContain("npm_config_local_prefix");
    expect(Object.keys(environment)).not.toContain("npm_package_name");
  });
});

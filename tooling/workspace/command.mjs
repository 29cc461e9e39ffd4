import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT, rootManifest, SetupError } from "./workspace.mjs";

/** What a person may set for npm that reaching a registry needs; all else in npm_* is about the script that npm runs. */
const NPM_SETTINGS_KEPT = new Set(
  ["registry", "userconfig", "globalconfig", "cache", "cafile", "ca", "proxy", "https_proxy", "noproxy", "offline"].map(
    (name) => `npm_config_${name}`,
  ),
);

/** A terminal's Ctrl-C reaches npm and its child, and npm hands it on once more: the echo comes within this. */
const ECHO_MS = 500;

/** The environment without what npm adds for the script it runs: pnpm would take some of it for its own settings. */
export function cleanEnvironment(extra = {}) {
  const kept = Object.entries(process.env).filter(([name]) => {
    const lower = name.toLowerCase();
    return NPM_SETTINGS_KEPT.has(lower) || !(lower.startsWith("npm_") || name === "INIT_CWD");
  });
  return { ...Object.fromEntries(kept), ...extra };
}

/**
 * Runs a command from ROOT and resolves to `{ code, output }`. With `show`, the output
 * is passed through; without, it is collected. A signal to this process goes to the command.
 * A command that takes longer than `timeoutMs` is ended by SIGTERM; by default it may take any time.
 */
export function runCommand(program, args, { show = false, env = cleanEnvironment(), cwd = ROOT, timeoutMs } = {}) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    const child = spawn(program, args, {
      cwd,
      env,
      timeout: timeoutMs,
      stdio: show ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
    });
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    const handOn = handSignalsTo(child);
    child.on("error", (cause) => {
      handOn.stop();
      reject(new SetupError(`${program} can't be run: ${cause.message}`));
    });
    child.on("close", (code, signal) => {
      handOn.stop();
      if (handOn.received !== undefined) process.exit(exitCode(null, handOn.received));
      resolve({ code: exitCode(code, signal), output: Buffer.concat(chunks).toString() });
    });
  });
}

/** Like {@link runCommand}, and a failure ends in a SetupError that carries the output. */
export async function mustRun(what, program, args, options) {
  const { code, output } = await runCommand(program, args, options);
  if (code !== 0) throw new SetupError(`${output.trimEnd()}\n\n${what} failed with exit code ${code}.`);
  return output;
}

/**
 * The pnpm that package.json pins, fetched by npx when it is not there yet. An exact
 * version never changes, so what npx has cached is taken without asking the registry.
 */
export function pnpmCommand(args) {
  return ["npx", ["--yes", "--prefer-offline", rootManifest().packageManager, ...args]];
}

/** The path of a tool that the workspace's root installs. */
export function localTool(name) {
  return join(ROOT, "node_modules", ".bin", name);
}

/** The first of the names that is an executable on the PATH. */
export function findOnPath(names) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file));
}

/**
 * Runs a Node program as the one in front: it owns the terminal's streams, gets each
 * signal once, and its exit code becomes ours. It has a process group of its own, since
 * otherwise a Ctrl-C would reach it from the terminal as well as from npm and from here;
 * should this process be killed outright, `end-with-parent.mjs` ends it.
 */
export async function runInFront(script, args, { env = process.env, cwd = ROOT } = {}) {
  const watcher = new URL("./end-with-parent.mjs", import.meta.url);
  const child = spawn(process.execPath, ["--import", watcher.href, script, ...args], {
    cwd,
    env,
    detached: process.platform !== "win32",
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  const handOn = handSignalsTo(child);
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (exited, signal) => resolve(exitCode(exited, signal)));
  });
  handOn.stop();
  process.exit(code);
}

/** Runs `main` when the module of that URL is the program itself, and turns its failure into an exit code. */
export async function runAsProgram(moduleUrl, main) {
  if (process.argv[1] === undefined || fileURLToPath(moduleUrl) !== realpathSync(process.argv[1])) return;
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error);
    process.exit(1);
  }
}

function handSignalsTo(child) {
  const state = { received: undefined, stop };
  const lastAt = new Map();
  const listeners = ["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => {
    const listener = () => {
      const now = performance.now();
      const echo = now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) < ECHO_MS;
      state.received = signal;
      if (echo) return;
      lastAt.set(signal, now);
      child.kill(signal);
    };
    process.on(signal, listener);
    return [signal, listener];
  });
  function stop() {
    for (const [signal, listener] of listeners) process.off(signal, listener);
  }
  return state;
}

function exitCode(code, signal) {
  return code ?? 128 + (constants.signals[signal] ?? 0);
}

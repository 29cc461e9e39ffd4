import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT, rootManifest, SetupError } from "./workspace.mjs";

/**
 * Settings that a user may make for npm and that are needed to reach a registry. All other npm_* variables
 * concern the script that npm runs.
 */
const NPM_SETTINGS_KEPT = new Set(
  ["registry", "userconfig", "globalconfig", "cache", "cafile", "ca", "proxy", "https_proxy", "noproxy", "offline"].map(
    (name) => `npm_config_${name}`,
  ),
);

/**
 * Time within which a repeated signal counts as an echo: a terminal's Ctrl-C reaches npm and its child, and
 * npm forwards it again.
 */
const ECHO_MS = 500;

/**
 * The environment without the variables that npm adds for its script, because pnpm would treat some of them
 * as its own settings.
 */
export function cleanEnvironment(extra = {}) {
  const kept = Object.entries(process.env).filter(([name]) => {
    const lower = name.toLowerCase();
    return NPM_SETTINGS_KEPT.has(lower) || !(lower.startsWith("npm_") || name === "INIT_CWD");
  });
  return { ...Object.fromEntries(kept), ...extra };
}

/**
 * Runs a command in ROOT and resolves to `{ code, output }`. With `show`, the output is passed through;
 * otherwise it is collected. Signals to this process are forwarded to the command. A command that takes
 * longer than `timeoutMs` is ended with SIGTERM; by default there is no limit.
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

/** Like {@link runCommand}, but throws a SetupError with the output if the command fails. */
export async function mustRun(what, program, args, options) {
  const { code, output } = await runCommand(program, args, options);
  if (code !== 0) throw new SetupError(`${output.trimEnd()}\n\n${what} failed with exit code ${code}.`);
  return output;
}

/**
 * The command for the pnpm version that package.json pins, fetched by npx if needed. An exact version never
 * changes, so npx uses its cache without asking the registry.
 */
export function pnpmCommand(args) {
  return ["npx", ["--yes", "--prefer-offline", rootManifest().packageManager, ...args]];
}

/** The path of a tool that is installed in the workspace's root. */
export function localTool(name) {
  return join(ROOT, "node_modules", ".bin", name);
}

/** The path of the first of the names that is on the PATH. */
export function findOnPath(names) {
  const folders = (process.env.PATH ?? "").split(delimiter).filter(Boolean);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file));
}

/**
 * Runs a Node program in the foreground: it uses the terminal's streams, receives each signal once, and its
 * exit code becomes the exit code of this process. It has its own process group, because otherwise a Ctrl-C
 * would reach it from the terminal as well as from npm and from this process. If this process is killed,
 * `end-with-parent.mjs` ends the program.
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

/** Runs `main` if the module with this URL is the program itself, and converts a failure to an exit code. */
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

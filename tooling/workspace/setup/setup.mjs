import { cleanEnvironment, mustRun, pnpmCommand, runAsProgram } from "../child-commands.mjs";
import { rootManifest, SetupError } from "../workspace.mjs";
import { buildState, installState, removeStamp, stampIsCurrent, writeStamp } from "./build-stamp.mjs";
import { withSetupLock } from "./setup-lock.mjs";

/**
 * Without these variables, the tools would check for updates of themselves on every run. CI also prevents
 * pnpm from asking questions.
 */
const QUIET = { CI: "true", TURBO_TELEMETRY_DISABLED: "1", TURBO_NO_UPDATE_NOTIFIER: "1", NO_UPDATE_NOTIFIER: "1" };

/** The codes with which npm and pnpm report that they can't connect. */
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)\b/;

/** Installs and builds whatever is missing or has changed. Takes some milliseconds if nothing has. */
export async function setup() {
  checkNode();
  if (isCurrent()) return;
  await withSetupLock(async () => {
    if (!stampIsCurrent("installed", installState())) await install();
    if (!stampIsCurrent("built", buildState())) await build();
  });
}

function isCurrent() {
  return stampIsCurrent("installed", installState()) && stampIsCurrent("built", buildState());
}

function checkNode() {
  const wanted = /(\d+)\.(\d+)/.exec(rootManifest().engines.node);
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > Number(wanted[1]) || (major === Number(wanted[1]) && minor >= Number(wanted[2]))) return;
  throw new SetupError(`Node.js ${wanted[0]} or newer is needed; this is ${process.versions.node}.`);
}

async function install() {
  removeStamp("installed");
  await step("installing", "The installation", ["install", "--frozen-lockfile"]);
  const state = installState();
  // If the state is still incomplete after an installation, every start would install again.
  if (state === undefined) throw new SetupError("A package named in a package.json is missing after the installation.");
  writeStamp("installed", state);
}

async function build() {
  removeStamp("built");
  await step("building", "The build", ["exec", "turbo", "run", "build", "--output-logs=errors-only"]);
  const state = buildState();
  if (state === undefined) throw new SetupError("A package has a build script, but its build left no dist folder.");
  writeStamp("built", state);
}

async function step(doing, what, pnpmArgs) {
  const startedAt = performance.now();
  console.log(`- ${doing}`);
  await mustRun(what, ...pnpmCommand(pnpmArgs), { env: cleanEnvironment(QUIET) }).catch((error) => {
    throw new SetupError(withAdvice(error.message), { cause: error });
  });
  console.log(`  done in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

/** Adds to the output of npm or pnpm what to do if it could not reach the registry. */
export function withAdvice(output) {
  const code = UNREACHABLE.exec(output)?.[0];
  if (code === undefined) return output;
  return (
    `${output}\n\nThe package registry can't be reached (${code}). Check the network, and which registry is set: ` +
    "`npm config get registry` prints it; npm_config_registry or a line `registry=` in ~/.npmrc sets another one."
  );
}

await runAsProgram(import.meta.url, setup);

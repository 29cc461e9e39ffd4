import { spawnSync } from "node:child_process";
import { runCommand } from "../child-commands.mjs";
import { SetupError } from "../workspace.mjs";

/** Maximum time of a pull, in milliseconds. A pull that takes longer counts as one that cannot reach a registry. */
const PULL_TIMEOUT_MS = 120_000;

/** Time for a running command to end after a signal before this process ends, in milliseconds. */
const SIGNAL_GRACE_MS = 5_000;

/** Fails with a hint if no container engine responds; `purpose` says what the engine is needed for. */
export async function requireEngine(purpose) {
  const { code, output } = await runCommand("docker", ["version"]).catch((error) => ({
    code: 1,
    output: error.message,
  }));
  if (code === 0) return;
  throw new SetupError(
    `${output.trimEnd()}\n\nNo Docker engine answers, and ${purpose}. Start Docker, or name an engine in DOCKER_HOST.`,
  );
}

/** Finds or pulls an image; if that fails, creates it with `fromHere`. Resolves to the name of the image. */
export async function findImage(name, fromHere) {
  if ((await runCommand("docker", ["image", "inspect", name])).code === 0) return name;
  console.log(`- pulling ${name}`);
  if ((await runCommand("docker", ["pull", name], { timeoutMs: PULL_TIMEOUT_MS })).code === 0) return name;
  console.log(`- ${name} can't be pulled: making one of this machine's programs`);
  return fromHere();
}

/**
 * Runs a command when this process ends, also by a signal, or when the returned function is called. Needed
 * for containers, because the engine keeps them when the process that started them is gone.
 */
export function atExit(program, args, { env = process.env } = {}) {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  // Delayed, because a running command gets the signal first and ends this process itself.
  const onSignal = () => setTimeout(() => process.exit(1), SIGNAL_GRACE_MS);
  const run = () => {
    process.off("exit", run);
    for (const signal of signals) process.off(signal, onSignal);
    spawnSync(program, args, { env, stdio: "ignore" });
  };
  process.once("exit", run);
  for (const signal of signals) process.once(signal, onSignal);
  return run;
}

import { spawnSync } from "node:child_process";
import { runCommand } from "./command.mjs";
import { SetupError } from "./workspace.mjs";

/** A pull that takes longer has no registry to pull from. */
const PULL_TIMEOUT_MS = 120_000;

/** How long a command that runs may take to end after a signal, before this process does. */
const SIGNAL_GRACE_MS = 5_000;

/** Fails with a hint where no container engine answers; `purpose` says what it is needed for. */
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

/** The image, if the engine has it or can pull it; else the one that `fromHere` makes. Resolves to its name. */
export async function findImage(name, fromHere) {
  if ((await runCommand("docker", ["image", "inspect", name])).code === 0) return name;
  console.log(`- pulling ${name}`);
  if ((await runCommand("docker", ["pull", name], { timeoutMs: PULL_TIMEOUT_MS })).code === 0) return name;
  console.log(`- ${name} can't be pulled: making one of this machine's programs`);
  return fromHere();
}

/**
 * Runs a command when this process ends, by a signal too, or when the function that it returns is called.
 * For containers: the engine keeps them when the process that started them is gone.
 */
export function atExit(program, args, { env = process.env } = {}) {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  // Not at once: a running command is handed the signal, and ends this process itself.
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

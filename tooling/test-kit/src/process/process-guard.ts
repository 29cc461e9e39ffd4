import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";

// A shell script whose input lists the processes that were started and those that have ended. The input ends
// when this process is gone, for whatever reason; then the script kills the processes that are left. SIGKILL
// also ends a paused process.
const SCRIPT = `
pids=" "
while read -r sign pid; do
  case "$sign" in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do kill -9 "$pid"; done
`;

let input: Writable | undefined;

/** Ensures that a child process does not outlive this one, even if this process is killed and cannot clean up. */
export function guard(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  input ??= startGuard();
  input.write(`+ ${pid}\n`);
  child.once("exit", () => input?.write(`- ${pid}\n`));
}

function startGuard(): Writable {
  // Start the guard in a separate process group, so that an interrupt from the terminal does not end the guard
  // before it has killed the processes.
  const shell = spawn("/bin/sh", ["-c", SCRIPT], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  shell.unref();
  // Unreference the pipe to the guard, because it would otherwise keep this process alive.
  if ("unref" in shell.stdin && typeof shell.stdin.unref === "function") shell.stdin.unref();
  return shell.stdin;
}

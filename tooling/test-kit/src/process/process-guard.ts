import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";

// It learns which processes were started and which have ended. When its input ends, this process is gone,
// however it went, and the guard kills those that are left; SIGKILL also ends a paused process.
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

/**
 * Sees to it that a child process does not outlive this one, not even where this one is
 * killed and can't do anything about it any more.
 */
export function guard(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  input ??= startGuard();
  input.write(`+ ${pid}\n`);
  child.once("exit", () => input?.write(`- ${pid}\n`));
}

function startGuard(): Writable {
  // In a group of its own: an interrupt at the terminal must not end it first.
  const shell = spawn("/bin/sh", ["-c", SCRIPT], { stdio: ["pipe", "ignore", "ignore"], detached: true });
  shell.unref();
  // A pipe is a socket, which alone would keep this process alive.
  if ("unref" in shell.stdin && typeof shell.stdin.unref === "function") shell.stdin.unref();
  return shell.stdin;
}

import { CmError } from "@cm/protocol";
import type { Commands } from "../commands/commands.js";

/**
 * Looks whether Redis removes keys when its memory is full. Nearly all of ours have a time to
 * live, so that policies which spare the others remove them as well: connections, rooms and
 * leases would vanish one by one, without an error. `undefined` where that can't
 * happen, or where this user may not look. A Cluster is judged by one of its nodes.
 */
export async function evictionRisk(commands: Commands): Promise<CmError | undefined> {
  let info: string;
  try {
    info = String(await commands.send("info", ["memory"]));
  } catch {
    // Not worth failing for: this is advice.
    return undefined;
  }
  const maxBytes = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0);
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? "noeviction";
  if (maxBytes === 0 || policy === "noeviction") return undefined;
  return new CmError(
    "eviction-possible",
    `Redis removes keys when it reaches its maxmemory of ${maxBytes} bytes (maxmemory-policy ${policy}), ` +
      "connections, rooms and leases among them. Set maxmemory-policy to noeviction.",
    { details: { maxBytes, policy } },
  );
}

import { CmError } from "@cm/protocol";
import type { Commands } from "../commands/redis-commands.js";

/**
 * Checks whether Redis evicts keys when its memory is full. Nearly all of the store's keys have a time to
 * live, so even the policies that spare keys without one evict them: connections, rooms and leases would
 * disappear one by one, without an error. Resolves with an `eviction-possible` error if keys can be evicted;
 * with `undefined` if they cannot, or if the check fails. For a Cluster, only one of the nodes is checked.
 */
export async function evictionRisk(commands: Commands): Promise<CmError | undefined> {
  let info: string;
  try {
    info = String(await commands.send("info", ["memory"]));
  } catch {
    // If the settings cannot be read, do not fail: this check is advisory only.
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

import { askRedis, RespConnection } from "./resp-connection.js";

/**
 * Returns all keys with a prefix, sorted, from all masters. For tests that verify that no keys are left.
 * Accepts `redis://`, `redis+cluster://` and `redis+sentinel://` URLs.
 */
export async function keysUnder(url: string, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for (const port of await masterPorts(url)) keys.push(...(await keysOn(port, prefix)));
  return keys.sort();
}

/**
 * Keys that are intentionally kept after all clients have left, and expire: the times at which users were last
 * online, versions of feeds, histories of rooms, and records of the servers that were cleaned up after.
 */
const KEPT_FOR_A_WHILE = /\{u\.\w+\}:(seen|version)$|\{r\.\w+\}:(history|place|sender):|\{servers\}\.(reaped|orphans)$/;

/**
 * Like {@link keysUnder}, without the keys that are intentionally kept for a while after all clients have
 * left. A key without an expiry is always included, whatever its name.
 */
export async function keysLeftUnder(url: string, prefix: string): Promise<string[]> {
  const left: string[] = [];
  for (const port of await masterPorts(url)) {
    for (const key of await keysOn(port, prefix)) {
      if (!KEPT_FOR_A_WHILE.test(key) || (await staysForGood(port, key))) left.push(key);
    }
  }
  return left.sort();
}

/** Returns all channels with a prefix that have a subscriber, plain and sharded, sorted, from all masters. */
export async function channelsUnder(url: string, prefix: string): Promise<string[]> {
  const channels = new Set<string>();
  for (const port of await masterPorts(url)) {
    for (const kind of ["CHANNELS", "SHARDCHANNELS"]) {
      const reply = await askRedis(port, "PUBSUB", kind, patternOf(prefix));
      for (const channel of Array.isArray(reply) ? reply : []) channels.add(String(channel));
    }
  }
  return [...channels].sort();
}

/** A glob pattern that matches everything with the prefix. */
function patternOf(prefix: string): string {
  return `${prefix.replace(/[\\*?[\]^-]/g, "\\$&")}*`;
}

async function staysForGood(port: number, key: string): Promise<boolean> {
  // PTTL returns -1 for a key without a time to live, -2 for a key that no longer exists.
  return (await askRedis(port, "PTTL", key)) === -1;
}

async function masterPorts(url: string): Promise<number[]> {
  const match = /^redis(\+cluster|\+sentinel)?:\/\/([^/?]+)(?:.*[?&]master=([^&]+))?/.exec(url);
  const ports = (match?.[2] ?? "").split(",").map((address) => Number(address.split(":")[1]));
  const [first] = ports;
  if (match === null || first === undefined || ports.some(Number.isNaN)) {
    throw new Error(`keysUnder can't read this URL: ${url}`);
  }
  if (match[1] === undefined) return [first];
  const sentinelsMaster = match[3];
  // Ignore nodes that do not respond: some may be down.
  const answers = await Promise.allSettled(
    ports.map((port) => (sentinelsMaster === undefined ? clusterMasters(port) : namedMaster(port, sentinelsMaster))),
  );
  const named = answers.flatMap((answer) =>
    answer.status === "fulfilled" && answer.value.length > 0 ? [answer.value] : [],
  );
  // After a failover some Sentinels name the former master for a moment, which may be paused and never answer.
  const votes = (masters: readonly number[]): number => named.filter(([port]) => port === masters[0]).length;
  const chosen =
    sentinelsMaster === undefined ? named[0] : named.toSorted((one, other) => votes(other) - votes(one))[0];
  if (chosen === undefined) throw new Error(`Nobody answers at ${url}`);
  return chosen;
}

async function namedMaster(port: number, name: string): Promise<number[]> {
  const address = await askRedis(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name);
  return Array.isArray(address) ? [Number(address[1])] : [];
}

async function clusterMasters(port: number): Promise<number[]> {
  const slots = await askRedis(port, "CLUSTER", "SLOTS");
  const ports = (Array.isArray(slots) ? slots : []).flatMap((range) => {
    const master = Array.isArray(range) ? range[2] : undefined;
    return Array.isArray(master) ? [Number(master[1])] : [];
  });
  return [...new Set(ports)];
}

async function keysOn(port: number, prefix: string): Promise<string[]> {
  const pattern = patternOf(prefix);
  const connection = await RespConnection.open(port);
  // Collect the keys in a set, because SCAN may return a key twice.
  const keys = new Set<string>();
  try {
    let cursor = "0";
    do {
      const reply = await connection.command("SCAN", cursor, "MATCH", pattern, "COUNT", 10_000);
      const [next, found] = Array.isArray(reply) ? reply : [];
      cursor = String(next ?? "0");
      for (const key of Array.isArray(found) ? found : []) keys.add(String(key));
    } while (cursor !== "0");
  } finally {
    connection.close();
  }
  return [...keys];
}

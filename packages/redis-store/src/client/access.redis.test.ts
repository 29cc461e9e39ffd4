import { readFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { isCmError } from "@cm/protocol";
import { eventually, freePort, startFaultProxy, startRedis, startRedisCluster, startRedisSentinel } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { makeCertificates } from "../address/certificates.fixture.js";
import { createRedisStore } from "../index.js";
import { portOf, startStore } from "../redis-store.fixture.js";

/** Time for several TLS handshakes on a busy machine, so that the error tells why they failed. */
const START_TIMEOUT_MS = 2_000;

/** The code and message of the error with which a store's start fails. */
async function refusalOf(url: string): Promise<string> {
  const store = createRedisStore({
    url,
    startTimeoutMs: START_TIMEOUT_MS,
    commandTimeoutMs: 500,
    onError: () => undefined,
  });
  try {
    await store.start();
    return "started";
  } catch (error) {
    return isCmError(error) ? `${error.code}: ${error.message}` : String(error);
  } finally {
    await store.close();
  }
}

it("reaches Redis over TLS with an authority, a client certificate and a server name of one's own", async () => {
  const { ca, cert, key } = await makeCertificates();
  const tlsPort = await freePort();
  const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca];
  const redis = await startRedis({ args: ["--tls-port", String(tlsPort), ...files] });
  onTestFinished(() => redis.close());
  const url = `rediss://127.0.0.1:${tlsPort}`;
  const store = await startStore({ url: `${url}?ca=${ca}&cert=${cert}&key=${key}&servername=redis.test` });
  expect(store.link.state).toBe("in-sync");
  expect(await store.counts.of("connections")).toBe(0);

  expect(await refusalOf(url)).toMatch(/^unavailable: .*within 2000 ms: self.signed certificate/);
  expect(await refusalOf(`${url}?ca=${ca}&cert=${cert}&key=${key}`)).toMatch(/^unavailable: .*altnames/);
  expect(await refusalOf(`${url}?ca=${ca}.none`)).toBe(
    "options-invalid: The Redis URL can't be used: the file that ca names can't be read: ENOENT.",
  );
  expect(await refusalOf(`redis://127.0.0.1:${tlsPort}`)).toMatch(/^options-invalid: Redis uses TLS at this address/);
  expect(await refusalOf(`rediss://127.0.0.1:${redis.port}`)).toMatch(
    /^options-invalid: Redis does not use TLS at this/,
  );
  await redis.ask("CONFIG", "SET", "requirepass", "secret");
  expect(await refusalOf(`rediss://127.0.0.1:${redis.port}`)).toMatch(
    /^options-invalid: Redis does not use TLS at this/,
  );
  expect(await refusalOf(`redis://127.0.0.1:${await freePort()}`)).toMatch(/^unavailable: .*ECONNREFUSED/);
});

it("names the nodes or Sentinels that it tried, and says where a Redis is no Cluster", async () => {
  const [one, two, redis] = [await freePort(), await freePort(), await startRedis()];
  onTestFinished(() => redis.close());
  const nodes = `127.0.0.1:${one},127.0.0.1:${two}`;
  const alone = `redis+cluster://127.0.0.1:${redis.port}`;
  // Repeated, because on a busy machine the timeout may pass before any node has failed.
  await eventually(async () => {
    const refusals = [`redis+cluster://${nodes}`, `redis+sentinel://${nodes}?master=main`, alone].map(refusalOf);
    const [ofCluster, ofSentinels, ofOne] = await Promise.all(refusals);
    expect(ofCluster).toMatch(/^unavailable: .* none of these nodes of the Cluster .* Check that .*redis\+cluster/);
    for (const port of [one, two]) expect(ofCluster).toContain(`127.0.0.1:${port} (`);
    expect(ofSentinels).toMatch(new RegExp(`^unavailable: .* Sentinels ${nodes.replace(",", ", ")} .* master "main"`));
    expect(ofOne).toBe(
      "options-invalid: Redis does not run as a Cluster at this address; use redis:// instead of redis+cluster://.",
    );
  });
  await redis.ask("CONFIG", "SET", "requirepass", "secret");
  await eventually(async () => {
    expect(await refusalOf(alone)).toBe("unavailable: Redis refuses this client: NOAUTH.");
  });
});

// Protected mode and maxclients reject a client before its first command. Protected mode does not apply to the loopback
// address, so a stand-in server sends the error of Redis and closes the connection.
it.each([
  [
    "DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user.",
    /^unavailable: Redis refuses this client: DENIED\. It runs in protected mode .*requirepass/,
  ],
  ["ERR max number of clients reached", /^unavailable: .*limit of clients \(maxclients\)/],
])("says why if Redis hangs up with %j", async (line, expected) => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(`-${line}\r\n`, () => socket.destroy());
  });
  onTestFinished(() => void server.close());
  const port = await new Promise<number>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
  for (const scheme of ["redis", "redis+cluster"]) {
    // The check waits for at most 1 s, which can be too short on a stalled machine.
    await eventually(async () => expect(await refusalOf(`${scheme}://127.0.0.1:${port}`)).toMatch(expected));
  }
});

it("ends without an uncaught error where it is closed amid a TLS handshake that the certificate would have failed", async () => {
  const { ca, cert, key } = await makeCertificates();
  const tlsPort = await freePort();
  const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca];
  const redis = await startRedis({ args: ["--tls-port", String(tlsPort), ...files] });
  onTestFinished(() => redis.close());
  const proxy = await startFaultProxy(tlsPort);
  onTestFinished(() => proxy.close());
  const uncaught: unknown[] = [];
  const onUncaught = (error: unknown) => uncaught.push(error);
  process.on("uncaughtException", onUncaught);
  onTestFinished(() => void process.off("uncaughtException", onUncaught));

  // Redis responds to the aborted handshake with an alert, which arrives after the certificate.
  for (let round = 0; round < 20; round++) {
    const store = createRedisStore({ url: `rediss://127.0.0.1:${proxy.port}`, onError: () => undefined });
    const before = proxy.accepted;
    const started = store.start();
    await eventually(() => expect(proxy.accepted).toBeGreaterThan(before), { intervalMs: 1 });
    await Promise.all([expect(started).rejects.toMatchObject({ code: "closed" }), store.close()]);
  }
  await eventually(() => expect(proxy.links).toEqual([]));
  expect(uncaught).toEqual([]);
});

it("finds a master behind Sentinels whose password is another than Redis's", async () => {
  const sentinel = await startRedisSentinel();
  onTestFinished(() => sentinel.close());
  await sentinel.sentinels[0]?.ask("SENTINEL", "SET", sentinel.masterName, "auth-pass", "of redis");
  await sentinel.sentinels[0]?.ask("ACL", "SETUSER", "default", ">of+the&sentinel");
  await sentinel.master.ask("CONFIG", "SET", "masterauth", "of redis");
  await sentinel.master.ask("CONFIG", "SET", "requirepass", "of redis");
  const url = sentinel.url.replace("://", "://:of%20redis@");
  const store = await startStore({ url: `${url}&sentinelPassword=of+the%26sentinel` });
  expect(store.link.state).toBe("in-sync");
  expect(await refusalOf(url)).toMatch(/^unavailable: .*NOAUTH/);
  expect(await refusalOf(`${url}&sentinelPassword=wrong`)).toMatch(/^unavailable: .*WRONGPASS/);
});

it("finds a master and follows a failover with the rights for Sentinels of docs/redis.md", async () => {
  const page = await readFile(new URL("../../../../docs/redis.md", import.meta.url), "utf8");
  const [, rule = ""] = /^ACL SETUSER (cm [^`]*&\+switch-master[^`]*)^```$/m.exec(page) ?? [];
  const sentinel = await startRedisSentinel();
  onTestFinished(() => sentinel.close());
  const [watcher] = sentinel.sentinels;
  await watcher?.ask("ACL", "SETUSER", ...rule.trim().split(/\s+/));
  const url = `${sentinel.url}&sentinelUsername=cm&sentinelPassword=password`;
  const store = await startStore({ url });
  expect(store.link.state).toBe("in-sync");
  const master = await sentinel.currentMaster();
  await master.kill();
  await sentinel.untilFailedOver(master);
  await eventually(() => expect(store.link.state).toBe("in-sync"), { timeoutMs: 15_000 });
  expect(await watcher?.ask("ACL", "LOG")).toEqual([]);
});

it("reaches a Cluster whose nodes announce addresses that are of no use here, by a map of them", async () => {
  // On a busy machine, nodes with a shorter timeout consider each other failed, and the Cluster is down for seconds.
  const cluster = await startRedisCluster({ masters: 3, nodeTimeoutMs: 30_000 });
  onTestFinished(() => cluster.close());
  const nats: string[] = [];
  for (const node of cluster.nodes) {
    const announced = await freePort();
    await node.ask("CONFIG", "SET", "cluster-announce-port", announced);
    nats.push(`127.0.0.1:${announced}=127.0.0.1:${node.port}`);
  }
  const announcedPorts = nats.map((entry) => entry.slice(0, entry.indexOf("=")).split(":")[1] ?? "");
  // Nodes learn each other's new addresses one after the other, and the client may ask any of them.
  await eventually(async () => {
    for (const node of cluster.nodes) {
      const slots = String(await node.ask("CLUSTER", "SLOTS"));
      expect(announcedPorts.filter((port) => !slots.includes(port))).toEqual([]);
      // A client does not start on a Cluster that one node still considers failed.
      expect(String(await node.ask("CLUSTER", "INFO"))).toContain("cluster_state:ok");
    }
  });
  const store = await startStore({ url: `redis+cluster://127.0.0.1:${portOf(cluster.url)}?natMap=${nats.join(",")}` });
  let heard = 0;
  const rooms = Array.from({ length: 20 }, (_, i) => ({ kind: "room", name: `room ${i}` }) as const);
  for (const room of rooms) await store.bus.subscribe(room, () => heard++);
  for (const room of rooms) await store.bus.publish(room, Buffer.from("x"));
  await eventually(() => expect(heard).toBe(20));
});

it("says at its start if Redis may evict keys, and nothing if it may not", async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.close());
  const told: string[] = [];
  const startIt = () =>
    startStore({ url: redis.url, onError: (error) => told.push(`${error.code}: ${error.message}`) });
  await startIt();
  await redis.ask("CONFIG", "SET", "maxmemory-policy", "volatile-lru");
  await startIt();
  await redis.ask("CONFIG", "SET", "maxmemory", "100mb");
  // A user without permission to check gets no warning, and can still start.
  await redis.ask("ACL", "SETUSER", "default", "-info");
  await startIt();
  expect(told).toEqual([]);
  await redis.ask("ACL", "SETUSER", "default", "+info");
  await startIt();
  expect(told).toEqual([
    expect.stringMatching(/^eviction-possible: .*104857600 bytes \(maxmemory-policy volatile-lru\)/),
  ]);
});

import { Balancer, ReconnectingClient } from "@cm/gateway-kit/clients/reconnecting-client";
import { ReconnectingLoad } from "@cm/gateway-kit/clients/reconnecting-load";
import { faultsOfRecovery } from "@cm/gateway-kit/clients/recovery-faults";
import { watchUsers } from "@cm/gateway-kit/invariants/watched-users";
import { type GatewayCluster, startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { eventually } from "@cm/test-kit";
import { afterEach, expect, it, onTestFinished } from "vitest";

const DRAIN_SECONDS = 2;
const GRACE_MS = 5_000;
const ENV = {
  DRAIN_SECONDS: String(DRAIN_SECONDS),
  OFFLINE_GRACE_MS: String(GRACE_MS),
  RECOVERABLE_ROOMS: "kept-",
};

/** 20 rooms of ten members: four on the first gateway, four on the second, two on the gateway that stays. */
const CLIENTS = 200;
const PER_ROOM = 10;
/** Every other room is recoverable. */
const roomOf = (i: number): string => {
  const room = Math.floor(i / PER_ROOM);
  return room % 2 === 0 ? `room-${room}` : `kept-${room}`;
};
const gatewayOf = (i: number): number => (i % PER_ROOM < 4 ? 0 : i % PER_ROOM < 8 ? 1 : 2);

let cluster: GatewayCluster;
const replacements: GatewayProcess[] = [];

afterEach(async () => {
  await Promise.all([cluster.close(), ...replacements.splice(0).map((gateway) => gateway.stop())]);
});

/** Returns the maximum number of moments within any period of `windowMs`. */
function densest(moments: readonly number[], windowMs: number): number {
  const sorted = [...moments].sort((a, b) => a - b);
  return Math.max(...sorted.map((from) => sorted.filter((at) => at >= from && at < from + windowMs).length));
}

it("replaces gateways under 200 active clients: they reconnect in paced waves, none is shown offline, and recoverable rooms lose no message, not even those sent in between", async () => {
  cluster = await startGatewayCluster({ size: 3, env: ENV });
  const balancer = new Balancer(cluster.wsUrls);
  const clients = Array.from(
    { length: CLIENTS },
    (_, i) => new ReconnectingClient(balancer, `user-${i}`, roomOf(i), { recovers: true }),
  );
  await Promise.all(clients.map((client, i) => client.start(cluster.wsUrls[gatewayOf(i)] ?? "")));
  onTestFinished(() => clients.forEach((client) => void client.stop()));
  const watch = await watchUsers(
    cluster,
    clients.map(({ user }) => user),
  );
  const load = new ReconnectingLoad(clients, 5);
  onTestFinished(() => load.stop());

  for (const [index, old] of cluster.gateways.slice(0, 2).entries()) {
    const env = { ...ENV, REDIS_URL: cluster.redisUrl, REDIS_PREFIX: cluster.prefix, SERVER_ID: `new${index + 1}` };
    const replacement = await startGatewayProcess({ env });
    replacements.push(replacement);
    const here = clients.filter(({ present }) => present?.server === old.serverId);
    const left = here.map(({ sittings }) => sittings.length - 1);
    expect(here.length).toBeGreaterThanOrEqual(80);
    balancer.add(replacement.wsUrl);
    balancer.remove(old.wsUrl);
    old.signal("SIGTERM");
    expect(await old.exited).toBe(0);
    await eventually(() => expect(clients.filter(({ present }) => present === undefined)).toEqual([]));

    // Allow the number of closes that are due in half a second, as many again, because this busy process may
    // have been blocked for half a second, and ten more.
    const most = (here.length / DRAIN_SECONDS) * (0.5 + 0.5) + 10;
    const goneAt = here.map(({ sittings }, i) => sittings[left[i] ?? 0]?.closedAt ?? 0);
    const backAt = here.map(({ sittings }, i) => sittings[(left[i] ?? 0) + 1]?.joinedAt ?? 0);
    expect(densest(goneAt, 500)).toBeLessThan(most);
    expect(densest(backAt, 500)).toBeLessThan(most);
    expect(Math.max(...goneAt) - Math.min(...goneAt)).toBeGreaterThan(DRAIN_SECONDS * 1000 * 0.7);
  }
  await load.stop();

  // All members of a room receive each other's messages, whichever gateway they are on now.
  await Promise.all(
    clients.map(({ present, room, user }) => present?.socket.do({ type: "publish", room, data: `${user}:1000000` })),
  );
  await eventually(() => {
    for (const { present, room } of clients) {
      const last = present?.socket.messages(room).filter((data) => String(data).endsWith(":1000000"));
      expect(last).toHaveLength(PER_ROOM);
    }
  });
  expect(load.refused).toEqual([]);
  expect(load.taken.length).toBeGreaterThan(500);
  expect(clients.flatMap((client) => load.faults(client))).toEqual([]);
  const recovering = clients.filter(({ room }) => room.startsWith("kept-"));
  expect(recovering).toHaveLength(CLIENTS / 2);
  expect(faultsOfRecovery(recovering, load)).toEqual([]);
  const returns = recovering.flatMap(({ sittings }) => sittings.slice(1));
  expect(returns.length).toBeGreaterThanOrEqual(80);
  expect(returns.filter(({ recovered }) => recovered !== true)).toEqual([]);
  // The clients of the gateway that stayed were never disconnected, so the checks above cover all disconnects.
  const stayed = clients.filter((_, i) => gatewayOf(i) === 2);
  expect(stayed.map(({ sittings }) => sittings.length)).toEqual(stayed.map(() => 1));

  expect(clients.map(({ failure }) => failure).filter((failure) => failure !== undefined)).toEqual([]);
  expect(new Set(clients.flatMap(({ codes }) => codes))).toEqual(new Set([4201]));
  const absences = clients.flatMap(({ absencesMs }) => absencesMs).sort((a, b) => a - b);
  expect(absences.length).toBeGreaterThanOrEqual(160);
  expect(absences[Math.floor(absences.length * 0.99)]).toBeLessThan(GRACE_MS / 2);
  expect(watch.shownOffline).toEqual([]);
  // The watcher did see connections close and open.
  for (const kind of ["closed", "opened"]) {
    expect(watch.changes.filter((change) => change.startsWith(kind)).length).toBeGreaterThanOrEqual(160);
  }
}, 60_000);

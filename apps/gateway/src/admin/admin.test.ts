import { once } from "node:events";
import { connect } from "node:net";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { eventually } from "@cm/test-kit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createGateway } from "../index.js";
import { type AdminGateway, startAdminGateway } from "./admin-gateway.fixture.js";

let served: AdminGateway;

beforeAll(async () => {
  served = await startAdminGateway({ onJoin: () => undefined });
});

afterAll(() => served.gateway.close());

/** Returns the samples of a scrape, by name and labels in the text format. */
async function scrape(): Promise<ReadonlyMap<string, number>> {
  const reply = await fetch(`${served.adminUrl}/metrics`);
  expect(reply.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = (await reply.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** Sends a raw request and returns the raw response. */
async function rawAnswer(request: string): Promise<string> {
  const socket = connect(served.adminPort, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => {
    text += String(chunk);
  });
  socket.write(request);
  await once(socket, "close");
  return text;
}

it("answers health on the port for operators, HTTP/1.0 too", async () => {
  expect(await (await fetch(`${served.adminUrl}/healthz`)).json()).toEqual({ status: "ok" });
  expect(await (await fetch(`${served.adminUrl}/stats`)).json()).toMatchObject({
    phase: "serving",
    log: { droppedLines: 7 },
  });
  const ready = await rawAnswer("GET /readyz HTTP/1.0\r\n\r\n");
  expect(ready).toMatch(/^HTTP\/1\.1 200 /);
  expect(ready).toMatch(/\r\nx-content-type-options: nosniff\r\n/i);
  expect(ready).toContain('"ready":true');
  expect(await rawAnswer("HEAD /healthz HTTP/1.0\r\n\r\n")).toMatch(/content-length: 15\r\n[^{]*$/i);
});

it("counts what clients do, for Prometheus", async () => {
  const before = await scrape();
  const [ann, bob] = await Promise.all([CmSocket.open(served.wsUrl, "ann"), CmSocket.open(served.wsUrl, "bob")]);
  for (const socket of [ann, bob]) await socket.do({ type: "join", room: "lobby" });
  await ann.do({ type: "publish", room: "lobby", data: "x".repeat(1_000) });
  await bob.until((frame) => frame.type === "message");
  const now = await scrape();
  const grown = (name: string) => (now.get(name) ?? 0) - (before.get(name) ?? 0);
  expect(now.get("cm_connections")).toBe(2);
  expect(now.get("cm_connections_max")).toBe(10_000);
  expect(now.get("cm_users")).toBe(2);
  expect(now.get("cm_rooms")).toBe(1);
  expect(now.get("cm_memberships")).toBe(2);
  expect(now.get("cm_subscriptions")).toBe(1);
  expect(now.get("cm_ready")).toBe(1);
  expect(now.get("cm_lease_held")).toBe(1);
  expect(now.get('cm_link_state{state="in-sync"}')).toBe(1);
  expect(now.get('cm_link_state{state="down"}')).toBe(0);
  expect(now.get("cm_log_lines_dropped_total")).toBe(7);
  // The gateway received two hellos, two joins and a publish, and sent two welcomes, three acks and the message
  // to each member.
  expect(grown("cm_frames_received_total")).toBe(5);
  expect(grown("cm_frames_sent_total")).toBe(7);
  expect(grown("cm_received_bytes_total")).toBeGreaterThan(1_000);
  expect(grown("cm_sent_bytes_total")).toBeGreaterThan(2_000);
  expect(grown('cm_fanout_receivers_bucket{target="room",le="1"}')).toBe(0);
  expect(grown('cm_fanout_receivers_bucket{target="room",le="10"}')).toBe(1);
  expect(grown('cm_fanout_receivers_sum{target="room"}')).toBe(2);
  expect(now.get("cm_lease_age_seconds")).toBeGreaterThan(0);
  expect(now.get("cm_store_round_trip_seconds")).toBeGreaterThan(0);
  expect(now.get('cm_drift_repaired_total{kind="member"}')).toBe(0);
  expect(now.get('cm_bus_gaps_total{cause="lost"}')).toBe(0);
  expect(grown('cm_hook_duration_seconds_count{hook="onJoin"}')).toBe(2);
  expect(grown('cm_hook_duration_seconds_bucket{hook="onJoin",le="+Inf"}')).toBe(2);
  expect(now.get("nodejs_eventloop_lag_p99_seconds")).toBeGreaterThanOrEqual(0);
  await Promise.all([ann.close(), bob.close()]);
  await eventually(async () => {
    const after = await scrape();
    expect([after.get("cm_connections"), after.get("cm_memberships")]).toEqual([0, 0]);
    const closed = [...after].filter(([name]) => name.startsWith("cm_connections_closed_total{"));
    expect(closed.reduce((sum, [, count]) => sum + count, 0)).toBe(2);
  });
});

it("revokes a user, and says what is wrong with a request that does not name one", async () => {
  const ann = await CmSocket.open(served.wsUrl, "ann");
  const revoke = (body: string, type = "application/json") =>
    fetch(`${served.adminUrl}/revoke`, { method: "POST", body, headers: { "content-type": type } });
  const refused = [
    await revoke('{"userId":"ann"}', "text/plain"),
    await revoke("{"),
    await revoke("{}"),
    await revoke("null"),
    await revoke('{"tokenId":7}'),
    await revoke('{"userId":""}'),
    await revoke('{"userId":7}'),
    await revoke(JSON.stringify({ userId: "x".repeat(256) })),
    await revoke(JSON.stringify({ userId: "x".repeat(5_000) })),
    await fetch(`${served.adminUrl}/revoke`),
    await fetch(`${served.adminUrl}/nothing`),
  ];
  const problems = await Promise.all(refused.map((reply) => reply.json() as Promise<{ status: number; code: string }>));
  expect(problems.map(({ status, code }) => `${status} ${code}`)).toEqual([
    "400 operation-unknown",
    "400 event-invalid",
    "400 event-invalid",
    "400 event-invalid",
    "400 event-invalid",
    "400 event-invalid",
    "400 event-invalid",
    "400 event-invalid",
    "413 payload-too-large",
    "405 operation-unknown",
    "404 not-found",
  ]);
  for (const { status, headers } of refused) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
  expect(refused.find(({ status }) => status === 405)?.headers.get("allow")).toBe("POST");
  expect(await (await revoke('{"userId":"ann"}')).json()).toEqual({ closed: 1, missing: [] });
  expect(await ann.closed).toMatchObject({ code: 4001 });
});

it("leaves metrics, statistics and revocation off the port for clients, which sees no id", async () => {
  for (const path of ["/healthz", "/readyz"]) {
    expect(await (await fetch(served.url + path)).text()).not.toContain(served.gateway.node.serverId);
  }
  for (const path of ["/metrics", "/revoke", "/stats"]) expect((await fetch(served.url + path)).status).toBe(404);
});

it("does not start if another process has the port for operators", async () => {
  const { adminPort } = served;
  const second = createGateway({ port: 0, authenticate: () => ({ userId: "ann" }), admin: { port: adminPort } });
  await expect(second.start()).rejects.toMatchObject({ code: "port-in-use", details: { port: adminPort } });
  const elsewhere = { port: 0, host: "192.0.2.1" };
  const third = createGateway({ port: 0, authenticate: () => ({ userId: "ann" }), admin: elsewhere });
  await expect(third.start()).rejects.toMatchObject({
    code: "options-invalid",
    message: "192.0.2.1 is not an address of this machine (EADDRNOTAVAIL).",
  });
});

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { CLOSE_CODES } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it } from "vitest";

const run = promisify(execFile);
const GATEWAYS = ["gateway-1", "gateway-2", "gateway-3"];
/** Time within which a container must start and serve; starting takes seconds on a busy machine. */
const START = { timeoutMs: 60_000 };
/** The stop grace period of the compose file, after which the engine kills a gateway. */
const STOP_GRACE_MS = 30_000;

const url = process.env.CLIENT_URL ?? "";
const [program = "", ...before] = JSON.parse(process.env.COMPOSE ?? "[]") as string[]; // As npm run compose gives it.

/** Runs a command on the compose project that `npm run compose` started. */
async function compose(...args: string[]): Promise<string> {
  return (await run(program, [...before, ...args])).stdout.trim();
}

async function inspect(id: string, format: string): Promise<string> {
  return (await run("docker", ["inspect", "--format", format, id])).stdout.trim();
}

/** Opens one client on each of the gateways through HAProxy and joins the room with each. */
async function openOnEach(gateways: readonly string[], room: string): Promise<Map<string, CmSocket>> {
  const sockets = new Map<string, CmSocket>();
  await eventually(async () => {
    const socket = await CmSocket.open(url, `user-${sockets.size}`);
    if (sockets.has(socket.serverId)) await socket.close();
    else sockets.set(socket.serverId, socket);
    expect([...sockets.keys()].sort()).toEqual(gateways);
  }, START);
  await Promise.all([...sockets.values()].map((socket) => socket.do({ type: "join", room })));
  return sockets;
}

/** Publishes a message and waits until all clients have received it, including the publisher. */
async function expectHeard(from: CmSocket, sockets: Iterable<CmSocket>, data: string, room: string): Promise<void> {
  await from.do({ type: "publish", room, data });
  await eventually(() => {
    for (const socket of sockets) expect(socket.messages(room)).toContain(data);
  });
}

it("clients behind HAProxy outlive the stop and the crash of a gateway in a container", async () => {
  const ids = new Map<string, string>();
  for (const gateway of GATEWAYS) ids.set(gateway, await compose("ps", "--quiet", gateway));
  const idOf = (gateway: string): string => ids.get(gateway) ?? "";

  await eventually(async () => {
    const health = await Promise.all(GATEWAYS.map((gateway) => inspect(idOf(gateway), "{{.State.Health.Status}}")));
    expect(health).toEqual(["healthy", "healthy", "healthy"]);
  }, START);
  const [first, second, third] = await openThree();
  await expectHeard(first, [first, second, third], "from the first", "r");

  // On a stop, the clients are sent elsewhere, and the process ends by itself before it is killed.
  const stoppedAt = performance.now();
  await compose("stop", "gateway-1");
  expect(performance.now() - stoppedAt).toBeLessThan(STOP_GRACE_MS);
  expect(await inspect(idOf("gateway-1"), "{{.State.ExitCode}}")).toBe("0");
  expect((await first.closed).code).toBe(CLOSE_CODES["going-away"]);
  const returned = await eventually(() => CmSocket.open(url, "returned"), START);
  expect(["gateway-2", "gateway-3"]).toContain(returned.serverId);
  await returned.do({ type: "join", room: "r" });
  await expectHeard(returned, [returned, second, third], "after the stop", "r");

  // On a crash, the connections are cut.
  await compose("kill", "gateway-2");
  expect((await second.closed).code).toBe(1006);
  const survivor = await eventually(() => CmSocket.open(url, "survivor"), START);
  expect(survivor.serverId).toBe("gateway-3");
  await survivor.do({ type: "join", room: "r" });
  await expectHeard(survivor, [survivor, third], "after the crash", "r");

  // Both gateways return, perhaps with other addresses, and get clients again.
  await compose("start", "gateway-1", "gateway-2");
  const again = await openOnEach(GATEWAYS, "r");
  await expectHeard(third, [third, survivor, ...again.values()], "all again", "r");

  async function openThree(): Promise<[CmSocket, CmSocket, CmSocket]> {
    const sockets = await openOnEach(GATEWAYS, "r");
    const [a, b, c] = GATEWAYS.map((gateway) => sockets.get(gateway));
    if (a === undefined || b === undefined || c === undefined) throw new Error("openOnEach misses a gateway.");
    return [a, b, c];
  }
});

import { setTimeout as sleep } from "node:timers/promises";
import { askRedis, eventually } from "@cm/test-kit";
import { expect } from "vitest";
import type { ChaosClient } from "./chaos-client.js";
import type { ChaosWorld } from "./chaos-world.js";

/** A room with enough messages to open its window, and to let a gateway publish several of them in one turn. */
export const HOT_ROOM = "room-hot";

export const HOT_MEMBERS = 12;

/** Number of messages that one member publishes at the same time. */
const BURST = 5;

/** Time between two bursts, in milliseconds, which makes 250 messages per second. */
export const BURST_EVERY_MS = 20;

/** Number of bursts that {@link measureHotRoom} publishes. */
const MEASURED_BURSTS = 50;

/** The work for the messages of the hot room. */
export interface HotRoomCost {
  readonly messages: number;
  /** Commands with which all gateways published, including their probes. */
  readonly publishCommands: number;
  /** Frames to the members, without responses. */
  readonly deliveries: number;
  /** Writes of all gateways to sockets, including those with responses. */
  readonly writes: number;
}

/** Publishes several messages on one connection at once. Returns the promised responses. */
export function publishBurst(client: ChaosClient | undefined): Promise<string>[] {
  return client === undefined ? [] : Array.from({ length: BURST }, () => client.publish());
}

/** Publishes in the hot room for a second. There must be no fault, and no other load. */
export async function measureHotRoom(world: ChaosWorld, members: readonly ChaosClient[]): Promise<HotRoomCost> {
  const before = { ...(await traffic(world)), commands: await publishCommands(world) };
  const answers: Promise<string>[] = [];
  for (let burst = 0; burst < MEASURED_BURSTS; burst++) {
    answers.push(...publishBurst(members[burst % members.length]));
    await sleep(BURST_EVERY_MS);
  }
  expect(await Promise.all(answers)).toEqual(answers.map(() => "ack"));
  const messages = answers.length;
  const deliveries = messages * members.length;
  const writes = await eventually(async () => {
    const now = await traffic(world);
    expect(now.framesSent - before.framesSent).toBeGreaterThanOrEqual(deliveries + messages);
    return now.writes - before.writes;
  });
  return { messages, publishCommands: (await publishCommands(world)) - before.commands, deliveries, writes };
}

async function traffic(world: ChaosWorld): Promise<{ readonly framesSent: number; readonly writes: number }> {
  const all = await Promise.all(
    world.gateways.map(async ({ url }) => {
      const stats: unknown = await (await fetch(`${url}/stats`)).json();
      // The gateway's own reply.
      return (stats as { readonly transport: { readonly traffic: { framesSent: number; writes: number } } }).transport
        .traffic;
    }),
  );
  const sum = (name: "framesSent" | "writes") => all.reduce((total, each) => total + each[name], 0);
  return { framesSent: sum("framesSent"), writes: sum("writes") };
}

/** Number of commands that have published on a channel of any master, including those within scripts. */
async function publishCommands(world: ChaosWorld): Promise<number> {
  let calls = 0;
  for (const { port } of await world.masters()) {
    const info = String(await askRedis(port, "INFO", "commandstats"));
    for (const match of info.matchAll(/^cmdstat_s?publish:calls=(\d+)/gm)) calls += Number(match[1]);
  }
  return calls;
}

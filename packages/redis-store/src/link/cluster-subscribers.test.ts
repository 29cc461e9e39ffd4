import { EventEmitter } from "node:events";
import { eventually } from "@cm/test-kit";
import type { Cluster } from "ioredis";
import { expect, it, onTestFinished } from "vitest";
import type { ClusterMasters } from "../client/cluster-masters.js";
import { createClusterSubscribers } from "./cluster-subscribers.js";

/** A master, with the subscribing connections to it. It acknowledges each subscription. */
class Master {
  readonly status = "ready";
  readonly channels = new Map<string, EventEmitter>();

  duplicate(): EventEmitter {
    const connection = new EventEmitter();
    return Object.assign(connection, {
      status: "ready",
      stream: Object.assign(new EventEmitter(), { writable: true }),
      connect: async () => void connection.emit("ready"),
      disconnect: () => undefined,
      ssubscribe: async (...channels: readonly string[]) => {
        for (const channel of channels) this.channels.set(channel, connection);
      },
      sunsubscribe: async (...channels: readonly string[]) => {
        for (const channel of channels) this.channels.delete(channel);
      },
    });
  }
}

/** The subscribers of a Cluster, whose slots and connections the test sets. */
function clusterOf(owners: Map<string, string>, masters: Map<string, Master>) {
  const cluster = Object.assign(new EventEmitter(), { status: "ready" });
  const nodes = {
    get addresses() {
      return new Set(owners.values());
    },
    coversAll: true,
    at: (address: string) => masters.get(address),
    addressOf: (channel: string) => owners.get(channel),
    refresh: () => cluster.emit("refresh"),
    replace: () => undefined,
  };
  const subscribers = createClusterSubscribers({
    // Only the members that the subscribers use.
    cluster: cluster as unknown as Cluster,
    nodes: nodes as unknown as ClusterMasters,
    redisOptions: {},
    probe: {
      channel: (n) => `probe-${n}`,
      publish: async (channel, payload) => {
        const master = masters.get(owners.get(channel) ?? "");
        return Number(master?.channels.get(channel)?.emit("smessageBuffer", Buffer.from(channel), payload) ?? false);
      },
      intervalMs: 50,
      timeoutMs: 30_000,
    },
    counters: { reconnects: 0, resubscriptions: 0, replacedSubscribers: 0, timedOutCommands: 0, refusedCommands: 0 },
    events: { message: () => false, live: () => undefined, changed: () => undefined, failed: () => undefined },
  });
  onTestFinished(() => subscribers.close());
  return { subscribers, refresh: nodes.refresh };
}

it("a channel that moves to a master without a connection is subscribed there before the state is in-sync again", async () => {
  const [a, b] = [new Master(), new Master()];
  const masters = new Map([["a", a]]);
  const owners = new Map([
    ["probe-0", "a"],
    ["moving", "a"],
  ]);
  const { subscribers, refresh } = clusterOf(owners, masters);
  subscribers.want("moving");
  await eventually(() => expect(subscribers.state).toBe("in-sync"));
  owners.set("moving", "b").set("probe-1", "b").set("later", "b");
  refresh();
  expect(subscribers.state).toBe("degraded");
  // The connection to the new master is there before the next map of slots, and another channel is subscribed over it.
  masters.set("b", b);
  subscribers.want("later");
  await eventually(() => expect(b.channels.has("later")).toBe(true));
  await eventually(() => expect(subscribers.state).toBe("in-sync"));
  expect([...b.channels.keys()].sort()).toEqual(["later", "moving", "probe-1"]);
  expect([...a.channels.keys()]).toEqual(["probe-0"]);
});

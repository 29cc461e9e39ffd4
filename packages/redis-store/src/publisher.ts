import { CmError } from "@cm/protocol";
import type { Redis } from "ioredis";
import type { ClusterNodes } from "./cluster-nodes.js";
import type { CommandGate } from "./command-gate.js";
import type { Commands } from "./commands.js";
import { PublishCommand, type PublishTarget, publishTarget } from "./publish-command.js";
import { shareWrite } from "./shared-write.js";
import { replyCode, toStoreError } from "./store-error.js";

/** Sends messages to channels, each publisher's in the order of the calls. */
export interface Publisher {
  /** What {@link publish} needs for messages to a channel; to be kept. */
  target(channel: string): PublishTarget;
  publish(target: PublishTarget, message: Buffer): Promise<number>;
}

/** Publishes over one connection, which keeps the order by itself. */
export function createSinglePublisher(commands: Commands): Publisher {
  return {
    target: (channel) => publishTarget("publish", channel),
    publish: (target, message) => commands.publish(new PublishCommand(target, message)),
  };
}

/**
 * Publishes to the master of the channel's slot, and nowhere else. The Cluster client
 * would send again, after a while and behind later messages, what a node could not take
 * at once; here it fails with `unavailable` instead, and order is kept.
 */
export function createClusterPublisher(nodes: ClusterNodes, gate: CommandGate): Publisher {
  return {
    target: (channel) => publishTarget("spublish", channel),
    async publish(target, message) {
      const redis = masterOf(nodes, target.channel);
      const command = new PublishCommand(target, message);
      try {
        const receivers = await gate.now(() => {
          shareWrite(redis);
          return redis.sendCommand(command);
        }, command.bytes);
        return Number(receivers);
      } catch (error) {
        // Also where the connection broke: another node may have taken over.
        if (replyCode(error) !== "NOPERM") nodes.refresh();
        throw toStoreError(error);
      }
    },
  };
}

function masterOf(nodes: ClusterNodes, channel: string): Redis {
  const address = nodes.addressOf(channel);
  const redis = address === undefined ? undefined : nodes.at(address);
  // One that is still connecting would queue, without an end to it.
  if (redis?.status === "ready") return redis;
  nodes.refresh();
  throw new CmError("unavailable", "The master of the channel's slot is not known, or can't be reached.");
}

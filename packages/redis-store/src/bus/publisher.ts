import { CmError } from "@cm/protocol";
import type { Redis } from "ioredis";
import type { ClusterNodes } from "../client/cluster-nodes.js";
import type { CommandGate } from "../commands/command-gate.js";
import type { Commands } from "../commands/commands.js";
import { shareWrite } from "../commands/write-coalescing.js";
import { replyCode, toStoreError } from "../errors/store-error.js";
import { runInOrder } from "../scripts/ordered-script.js";
import type { Script } from "../scripts/script.js";
import { PublishCommand, type PublishTarget, publishTarget } from "./publish-command.js";

/** Sends messages to channels, each publisher's in the order of the calls. */
export interface Publisher {
  /** What {@link publish} needs for messages to a channel; to be kept. */
  target(channel: string): PublishTarget;
  /** Answers with the number of those who got it, listeners on patterns among them. */
  publish(target: PublishTarget, message: Buffer): Promise<number>;
  /** As {@link publish}, but with the channel's own subscribers alone; `undefined` where they can't be told. */
  publishCounted(target: PublishTarget, message: Buffer): Promise<number | undefined>;
  /** As {@link publish}, for a probe; on the way it asks whether anything listens on patterns. */
  probe(channel: string, message: Buffer): Promise<number>;
  /**
   * Runs a script that publishes `bytes` bytes to the channel. `again` makes the input of a
   * second send, which happens only where the first certainly was not carried out.
   */
  run<Input, Reply>(channel: string, script: Script<Input, Reply>, run: ScriptRun<Input>): Promise<Reply>;
}

/** What a script that publishes gets. */
export interface ScriptRun<Input> {
  readonly input: Input;
  readonly again: () => Input;
  readonly bytes: number;
}

/** Publishes over one connection, which keeps the order by itself. */
export function createSinglePublisher(commands: Commands, client: Redis, gate: CommandGate): Publisher {
  let patternsListen = false;
  const publish = (target: PublishTarget, message: Buffer): Promise<number> =>
    commands.publish(new PublishCommand(target, message));
  return {
    target: (channel) => publishTarget("publish", channel),
    publish,
    async publishCounted(target, message) {
      if (!patternsListen) return publish(target, message);
      const sent = publish(target, message);
      // In the same write, so that it costs no round trip; what it fails with does not undo the message.
      const counted = commands.send("pubsub", ["NUMSUB", target.channel]).catch(() => undefined);
      await sent;
      const reply = await counted;
      return Array.isArray(reply) ? Number(reply[1]) : undefined;
    },
    probe(channel, message) {
      const receivers = publish(publishTarget("publish", channel), message);
      // In the same write, and not waited for. Without the right to ask, a message to a server that is
      // gone may be answered as sent.
      commands.count("pubsub", ["NUMPAT"]).then(
        (patterns) => {
          patternsListen = patterns > 0;
        },
        () => undefined,
      );
      return receivers;
    },
    async run(_channel, script, { input, again, bytes }) {
      const call = script.encode(input);
      try {
        const reply = await runInOrder(
          script,
          call,
          () => script.encode(again()),
          (command) =>
            gate.now(() => {
              shareWrite(client);
              return command(client);
            }, bytes),
        );
        return script.decode(reply);
      } catch (error) {
        throw toStoreError(error, call.keys);
      }
    },
  };
}

/**
 * Publishes to the master of the channel's slot, and nowhere else. The Cluster client
 * would send again, after a while and behind later messages, what a node could not take
 * at once; here it fails with `unavailable` instead, and order is kept.
 */
export function createClusterPublisher(nodes: ClusterNodes, gate: CommandGate): Publisher {
  const now = async (channel: string, bytes: number, send: (redis: Redis) => unknown): Promise<unknown> => {
    const redis = masterOf(nodes, channel);
    return gate.now(() => {
      shareWrite(redis);
      return send(redis);
    }, bytes);
  };
  const failed = (error: unknown, keys: readonly string[]): CmError => {
    // Also where the connection broke: another node may have taken over.
    if (replyCode(error) !== "NOPERM") nodes.refresh();
    return toStoreError(error, keys);
  };
  const publish = async (target: PublishTarget, message: Buffer): Promise<number> => {
    const command = new PublishCommand(target, message);
    try {
      return Number(await now(target.channel, command.bytes, (redis) => redis.sendCommand(command)));
    } catch (error) {
      throw failed(error, []);
    }
  };
  return {
    target: (channel) => publishTarget("spublish", channel),
    publish,
    // Sharded channels have no listeners on patterns.
    publishCounted: publish,
    probe: (channel, message) => publish(publishTarget("spublish", channel), message),
    async run(channel, script, { input, again, bytes }) {
      const call = script.encode(input);
      try {
        const reply = await runInOrder(
          script,
          call,
          () => script.encode(again()),
          (command) => now(channel, bytes, command),
        );
        return script.decode(reply);
      } catch (error) {
        throw failed(error, call.keys);
      }
    },
  };
}

function masterOf(nodes: ClusterNodes, channel: string): Redis {
  const address = nodes.addressOf(channel);
  const redis = address === undefined ? undefined : nodes.at(address);
  // One that is still connecting would queue, without an end to it; one whose connection broke writes nothing.
  if (redis?.status === "ready" && redis.stream.writable) return redis;
  nodes.refresh();
  throw new CmError("unavailable", "The master of the channel's slot is not known, or can't be reached.");
}

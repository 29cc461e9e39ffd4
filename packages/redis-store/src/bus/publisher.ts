import { CmError } from "@cm/protocol";
import type { Redis } from "ioredis";
import type { ClusterMasters } from "../client/cluster-masters.js";
import type { CallOptions, PendingCommands } from "../commands/pending-commands.js";
import type { Commands } from "../commands/redis-commands.js";
import { shareWrite } from "../commands/write-coalescing.js";
import { replyCode, toStoreError } from "../errors/store-error.js";
import { orderedScript } from "../scripts/ordered-script.js";
import type { Script } from "../scripts/script-definition.js";
import { PublishCommand, type PublishTarget, publishTarget } from "./publish-command.js";

/** Sends messages to channels. The messages of one publisher are sent in the order of the calls. */
export interface Publisher {
  /**
   * Returns the target that {@link publish} needs for a channel. The caller keeps it for further messages.
   */
  target(channel: string): PublishTarget;
  /**
   * Resolves with the number of receivers, including subscribers of patterns. The message combines the messages of
   * `parts` callers.
   */
  publish(target: PublishTarget, message: Buffer, parts: number): Promise<number>;
  /**
   * Like {@link publish}, but resolves with the number of the channel's own subscribers only, or `undefined`
   * if it cannot be determined.
   */
  publishCounted(target: PublishTarget, message: Buffer, parts: number): Promise<number | undefined>;
  /** Like {@link publish}, for a probe. Outside of a Cluster, also checks whether patterns have subscribers. */
  probe(channel: string, message: Buffer): Promise<number>;
  /**
   * Runs a script that publishes `run.bytes` bytes to the channel. `run.again` returns the input of a second
   * attempt, which is made only if the first one certainly was not carried out.
   */
  run<Input, Reply>(channel: string, script: Script<Input, Reply>, run: ScriptRun<Input>): Promise<Reply>;
}

/** The input of a script that publishes, and the size of its message. */
export interface ScriptRun<Input> {
  readonly input: Input;
  readonly again: () => Input;
  readonly bytes: number;
}

/** Creates a publisher that uses one connection, which preserves the order. */
export function createSinglePublisher(commands: Commands, client: Redis, gate: PendingCommands): Publisher {
  let patternsListen = false;
  const publish = (target: PublishTarget, message: Buffer, parts: number): Promise<number> =>
    commands.publish(new PublishCommand(target, message), parts);
  return {
    target: (channel) => publishTarget("publish", channel),
    publish,
    async publishCounted(target, message, parts) {
      if (!patternsListen) return publish(target, message, parts);
      const sent = publish(target, message, parts);
      // This command is sent in the same write as the message, so that it needs no extra round trip. An error
      // of this command is ignored: the message was published.
      const counted = commands.send("pubsub", ["NUMSUB", target.channel]).catch(() => undefined);
      await sent;
      const reply = await counted;
      return Array.isArray(reply) ? Number(reply[1]) : undefined;
    },
    probe(channel, message) {
      const receivers = publish(publishTarget("publish", channel), message, 1);
      // This command is sent in the same write as the message, and is not awaited. Without permission for
      // PUBSUB, subscribers of patterns count as receivers, so a message to a server that is gone may be
      // reported as sent.
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
      const { first, withText } = orderedScript(script, call, () => script.encode(again()));
      const ask = (send: (redis: Redis) => unknown) => (): unknown => sendTo(client, send);
      try {
        return script.decode(await gate.now(ask(first), { bytes, withText: ask(withText) }));
      } catch (error) {
        throw toStoreError(error, call.keys);
      }
    },
  };
}

/**
 * Creates a publisher that sends each message to the master of the channel's slot only. If a node could not take
 * a message at once, the Cluster client would resend it after a delay and behind later messages. This publisher
 * fails with `unavailable` instead, so that the order is preserved.
 */
export function createClusterPublisher(nodes: ClusterMasters, gate: PendingCommands): Publisher {
  const now = async (channel: string, send: (redis: Redis) => unknown, options: CallOptions): Promise<unknown> => {
    const redis = masterOf(nodes, channel);
    return gate.now(() => sendTo(redis, send), options);
  };
  const failed = (error: unknown, keys: readonly string[]): CmError => {
    // Also refresh after a broken connection: another node may have taken over.
    if (replyCode(error) !== "NOPERM") nodes.refresh();
    return toStoreError(error, keys);
  };
  const publish = async (target: PublishTarget, message: Buffer, parts: number): Promise<number> => {
    const command = new PublishCommand(target, message);
    const { bytes } = command;
    try {
      return Number(await now(target.channel, (redis) => redis.sendCommand(command), { bytes, parts }));
    } catch (error) {
      throw failed(error, []);
    }
  };
  return {
    target: (channel) => publishTarget("spublish", channel),
    publish,
    // Sharded channels have no subscribers of patterns.
    publishCounted: publish,
    probe: (channel, message) => publish(publishTarget("spublish", channel), message, 1),
    async run(channel, script, { input, again, bytes }) {
      const call = script.encode(input);
      const { first, withText } = orderedScript(script, call, () => script.encode(again()));
      // The slot may have got another master in the meantime.
      const toMaster = async (): Promise<unknown> => sendTo(masterOf(nodes, channel), withText);
      try {
        return script.decode(await now(channel, first, { bytes, withText: toMaster }));
      } catch (error) {
        throw failed(error, call.keys);
      }
    },
  };
}

function sendTo(redis: Redis, send: (redis: Redis) => unknown): unknown {
  shareWrite(redis);
  return send(redis);
}

function masterOf(nodes: ClusterMasters, channel: string): Redis {
  const address = nodes.addressOf(channel);
  const redis = address === undefined ? undefined : nodes.at(address);
  // Require an open connection: a client that is still connecting would queue messages without limit, and a client
  // whose connection broke would drop them.
  if (redis?.status === "ready" && redis.stream.writable) return redis;
  nodes.refresh();
  throw new CmError("unavailable", "The master of the channel's slot is not known, or can't be reached.");
}

import { createPresence } from "@cm/presence";
import { createRedisStore } from "@cm/redis-store";
import { onTestFinished } from "vitest";
import type { GatewayCluster } from "../processes/gateway-cluster.js";

/** The presence of some users that was shown to a watcher, which uses no gateway. */
export interface WatchedUsers {
  /** Each change, as `<kind> <user>`, in order. */
  readonly changes: string[];
  /** Users that were shown as not online, with one entry for each time. */
  readonly shownOffline: string[];
}

/** Watches users who are online until the test ends. */
export async function watchUsers(
  { redisUrl, prefix }: Pick<GatewayCluster, "redisUrl" | "prefix">,
  users: readonly string[],
): Promise<WatchedUsers> {
  const store = createRedisStore({ url: redisUrl, prefix });
  onTestFinished(() => store.close());
  await store.start();
  const presence = createPresence(store);
  onTestFinished(() => presence.close());
  const watched: WatchedUsers = { changes: [], shownOffline: [] };
  await presence.watchUsers(users, {
    snapshot: (all) => {
      for (const { userId, status } of all) if (status !== "online") watched.shownOffline.push(userId);
    },
    change: ({ kind }, { userId, status }) => {
      watched.changes.push(`${kind} ${userId}`);
      if (status !== "online") watched.shownOffline.push(userId);
    },
  });
  return watched;
}

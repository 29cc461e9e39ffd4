import { createPresence } from "@cm/presence";
import { createRedisStore } from "@cm/redis-store";
import { onTestFinished } from "vitest";
import type { GatewayCluster } from "../processes/gateway-cluster.js";

/** What a watcher was shown of some users. The watcher uses `@cm/presence` directly, without a gateway. */
export interface WatchedUsers {
  /** Each change, as `<kind> <user>`, in order. */
  readonly changes: string[];
  /** Ids of users, one entry for each time that a user was shown as not online. */
  readonly shownOffline: string[];
}

/**
 * Watches users until the test ends. They should be online already, because the record includes their first state.
 */
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

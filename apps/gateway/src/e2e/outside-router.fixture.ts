import { createRedisStore } from "@cm/redis-store";
import { createRouter, type Router, type RouterOptions } from "@cm/router";
import { onTestFinished } from "vitest";

/** Starts the router of another server, which has no sockets, in the cluster of the gateways on this Redis. */
export async function startOutsideRouter(
  { redisUrl, prefix }: { readonly redisUrl: string; readonly prefix: string },
  options: Pick<RouterOptions, "onQuestion"> = {},
): Promise<Router> {
  const store = createRedisStore({ url: redisUrl, prefix });
  onTestFinished(() => store.close());
  await store.start();
  const router = createRouter({
    serverId: "outside",
    store,
    local: { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 },
    ...options,
  });
  onTestFinished(() => router.close());
  await router.start();
  return router;
}

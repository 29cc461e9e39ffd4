import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { onTestFinished } from "vitest";
import type { GatewayOptions } from "../gateway-options.js";
import { createGateway } from "../index.js";

/** A clock that stands still, so that no used-up rate limit recovers. */
export const AT_REST = { now: Date.now, monotonicMs: () => 0 };

/** Starts a gateway with the port for operators that takes the user from the query. */
export async function serve(options: Partial<GatewayOptions>) {
  let adminPort: unknown;
  const gateway = createGateway({
    port: 0,
    authenticate: ({ query }) => ({ userId: new URLSearchParams(query).get("user") ?? "" }),
    admin: { port: 0 },
    logger: {
      info: (fields) => {
        adminPort ??= fields.adminPort;
      },
      warn: () => undefined,
      error: () => undefined,
    },
    ...options,
  });
  onTestFinished(() => gateway.close());
  const { port } = await gateway.start();
  const sampleOf = async (sample: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
    return Number(new RegExp(`^${sample} (\\d+)$`, "m").exec(text)?.[1]);
  };
  const wsUrl = `ws://127.0.0.1:${port}/ws`;
  return {
    open: async (user: string) => {
      const socket = await CmSocket.open(wsUrl, user);
      onTestFinished(() => socket.terminate());
      return socket;
    },
    wsUrl,
    url: `http://127.0.0.1:${port}`,
    /**
     * Returns how often a limit was reached, according to `/metrics`; `NaN` if the metric does not contain the
     * limit.
     */
    reached: (limit: string) => sampleOf(`cm_limits_reached_total\\{limit="${limit}"\\}`),
    /** Returns how many requests were refused with a code, according to `/metrics`. */
    refused: (code: string) => sampleOf(`cm_requests_refused_total\\{code="${code}"\\}`),
    stats: async () => (await fetch(`http://127.0.0.1:${adminPort}/stats`)).json(),
  };
}

import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { onTestFinished } from "vitest";
import type { GatewayOptions } from "../gateway-options.js";
import { createGateway } from "../index.js";

/** A clock that stands still, so that no rate recovers. */
export const AT_REST = { now: Date.now, monotonicMs: () => 0 };

/** Starts a gateway with the port for operators that takes the user from the query. */
export async function serveLimited(options: Partial<GatewayOptions>) {
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
  const wsUrl = `ws://127.0.0.1:${port}/ws`;
  return {
    open: async (user: string) => {
      const socket = await CmSocket.open(wsUrl, user);
      onTestFinished(() => socket.terminate());
      return socket;
    },
    wsUrl,
    /** Returns how often a limit was reached, according to `/metrics`. */
    reached: async (limit: string): Promise<number> => {
      const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
      return Number(new RegExp(`^cm_limits_reached_total\\{limit="${limit}"\\} (\\d+)$`, "m").exec(text)?.[1]);
    },
    stats: async () => (await fetch(`http://127.0.0.1:${adminPort}/stats`)).json(),
  };
}

import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { SUBPROTOCOL } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, onTestFinished } from "vitest";
import WebSocket from "ws";
import { startAdminGateway } from "../admin/admin-gateway.fixture.js";
import type { GatewayOptions } from "../gateway-options.js";

/** A clock that stands still, so that no used-up rate limit recovers. */
export const AT_REST = { now: Date.now, monotonicMs: () => 0 };

/** Starts a gateway with the port for operators that takes the user from the query. */
export async function serve(options: Partial<GatewayOptions>) {
  const { gateway, url, wsUrl, adminUrl } = await startAdminGateway(options);
  onTestFinished(() => gateway.close());
  const sampleOf = async (sample: string): Promise<number> => {
    const text = await (await fetch(`${adminUrl}/metrics`)).text();
    return Number(new RegExp(`^${sample} (\\d+)$`, "m").exec(text)?.[1]);
  };
  return {
    open: async (user: string) => {
      const socket = await CmSocket.open(wsUrl, user);
      onTestFinished(() => socket.terminate());
      return socket;
    },
    wsUrl,
    url,
    /**
     * Returns how often a limit was reached, according to `/metrics`; `NaN` if the metric does not contain the
     * limit.
     */
    reached: (limit: string) => sampleOf(`cm_limits_reached_total\\{limit="${limit}"\\}`),
    /** Returns how many requests were refused with a code, according to `/metrics`. */
    refused: (code: string) => sampleOf(`cm_requests_refused_total\\{code="${code}"\\}`),
    stats: async () => (await fetch(`${adminUrl}/stats`)).json(),
  };
}

/** Connects the user `idle` with a client that can stop reading, and that records the first characters of frames. */
export async function connectIdle(wsUrl: string) {
  const socket = new WebSocket(`${wsUrl}?user=idle`, SUBPROTOCOL);
  onTestFinished(() => socket.terminate());
  const texts: string[] = [];
  socket.on("message", (data) => texts.push(String(data).slice(0, 200)));
  await new Promise((resolve) => socket.once("open", resolve));
  const send = (frame: object): void => socket.send(JSON.stringify(frame));
  send({ type: "hello", version: 1 });
  await eventually(() => expect(texts[0]).toContain("welcome"));
  return { socket, texts, send };
}

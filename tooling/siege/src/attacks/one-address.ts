import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import type { Attack } from "../attack.js";

/** One of the addresses reserved for documentation, RFC 5737. */
const ATTACKER = "203.0.113.7";

/** Returns the maximum number of connections per address: the default of 1,000, scaled. */
function placesOf(size: number): number {
  return Math.round(1_000 * size);
}

export const ONE_ADDRESS: Attack = {
  name: "address",
  title: "one address opens 11,000 connections, 500 at a time",
  env: ({ size }) => ({ TRUSTED_PROXIES: "127.0.0.1", MAX_CONNECTIONS_PER_ADDRESS: String(placesOf(size)) }),
  async run(scene) {
    const { gateway, scale } = scene;
    const crowd = scene.crowd();
    const { open, ends } = await crowd.open({
      wsUrl: gateway.wsUrl,
      count: Math.round(11_000 * scale.size),
      user: "same",
      atOnce: 500,
      headers: { "X-Forwarded-For": ATTACKER },
    });
    const askedAt = performance.now();
    const outcome = await CmSocket.open(gateway.wsUrl, "somebody-else").then(
      async (socket) => {
        await socket.close();
        return `welcome after ${(performance.now() - askedAt).toFixed(0)} ms`;
      },
      (error: Error) => error.message,
    );
    return [
      { what: "connections of the address", value: String(open), isKept: open <= placesOf(scale.size) },
      {
        what: "refused with 429",
        value: String(ends["http-429"] ?? 0),
        isKept: (ends["http-429"] ?? 0) >= Math.round(10_000 * scale.size),
      },
      { what: "somebody else afterwards", value: outcome, isKept: outcome.startsWith("welcome") },
    ];
  },
};

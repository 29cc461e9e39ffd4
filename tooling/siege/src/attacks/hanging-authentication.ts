import { setTimeout as sleep } from "node:timers/promises";
import { CmSocket, openSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type Attack, bystanderFindings } from "../attack.js";

import { patiently } from "../patient-opening.js";
import { claimsOf, TokenIssuer } from "../token-issuer.js";

/** One of the addresses reserved for documentation, RFC 5737. */
const ATTACKER = "203.0.113.7";

/** Defaults of `MAX_PENDING_UPGRADES` and `MAX_UPGRADES_PER_SECOND_PER_ADDRESS`, used at full size. */
const PENDING_MAX = 1_000;
const UPGRADES_PER_SECOND = 100;

/** Maximum time until a token with an unknown key makes the gateway fetch the key set again, in seconds. */
const FETCH_SECONDS = 30;

/** Time between two newcomers, and the maximum time until a newcomer is let in, in milliseconds. */
const NEWCOMER_EVERY_MS = 50;
const WELCOME_MAX_MS = 1_000;

let issuer: TokenIssuer | undefined;

export const HANGING_AUTHENTICATION: Attack = {
  name: "hanging",
  title: "5,000 begun upgrades of one address wait for a key server that does not answer",
  async prepare({ size }) {
    const started = await TokenIssuer.start();
    issuer = started;
    return {
      env: {
        TRUSTED_PROXIES: "127.0.0.1",
        TOKEN_JWKS_URL: started.jwksUrl,
        TOKEN_SOURCES: "query",
        MAX_PENDING_UPGRADES: String(Math.round(PENDING_MAX * size)),
        MAX_UPGRADES_PER_SECOND_PER_ADDRESS: String(Math.round(UPGRADES_PER_SECOND * size)),
      },
      query: `token=${started.sign("ES256", claimsOf("somebody-else"))}`,
      close: () => started.close(),
    };
  },
  async run(scene) {
    if (issuer === undefined) throw new Error("The attack was not prepared.");
    const { clientUrl, scale } = scene;
    // The gateway fetches the key set for its first client, and verifies tokens with known keys from then on.
    const first = await patiently(() => CmSocket.open(clientUrl, "first"));
    await first.close();
    issuer.hang();
    const order = {
      wsUrl: `${scene.gateway.wsUrl}?token=${issuer.sign("ES256", claimsOf("attacker"), "unknown")}`,
      user: "attacker",
      headers: { "X-Forwarded-For": ATTACKER },
    };
    const crowd = scene.crowd();
    // For a while after a fetch, the gateway refuses unknown keys without another fetch.
    for (const until = Date.now() + FETCH_SECONDS * 1000; ; await sleep(250)) {
      void openSocket(order.wsUrl, "attacker").catch(() => undefined);
      await sleep(250);
      if ((await scene.stats()).transport.upgrading > 0) break;
      if (Date.now() > until) throw new Error("No upgrade waits for the key server.");
    }
    const count = Math.round(5_000 * scale.size);
    let waiting = 0;
    let longestMs = 0;
    const newcomers: Record<"in" | "out", number> = { in: 0, out: 0 };
    let ends: Readonly<Record<string, number>> = {};
    const figures = await scene.bystanders(async () => {
      let isOver = false;
      const coming = (async () => {
        for (; !isOver; await sleep(NEWCOMER_EVERY_MS)) {
          const askedAt = performance.now();
          await CmSocket.open(clientUrl, "newcomer").then(
            async (socket) => {
              newcomers.in++;
              longestMs = Math.max(longestMs, performance.now() - askedAt);
              await socket.close();
            },
            () => newcomers.out++,
          );
          waiting = Math.max(waiting, (await scene.stats()).transport.upgrading);
        }
      })();
      for (const until = Date.now() + scale.seconds * 1000; Date.now() < until; ) {
        ({ ends } = await crowd.open({ ...order, count, atOnce: count }));
      }
      isOver = true;
      await coming;
    });
    const { upgradesLost } = (await scene.stats()).transport;
    const refused = Object.entries(ends).map(([end, times]) => `${times} ${end}`);
    const most = Math.round(PENDING_MAX * scale.size);
    return [
      ...bystanderFindings(figures),
      { what: "upgrades that waited, at most", value: String(waiting), isKept: waiting > 0 && waiting <= most },
      { what: "upgrades of the address that ended, by reason", value: refused.join(", ") },
      {
        what: "newcomers with valid tokens let in meanwhile",
        value: `${newcomers.in} of ${newcomers.in + newcomers.out}`,
        isKept: newcomers.in > 0 && newcomers.out <= upgradesLost,
      },
      { what: "sockets that the native layer lost", value: String(upgradesLost) },
      {
        what: "longest wait of a newcomer",
        value: `${longestMs.toFixed(0)} ms`,
        isKept: longestMs < WELCOME_MAX_MS,
        isTimed: true,
      },
    ];
  },
};

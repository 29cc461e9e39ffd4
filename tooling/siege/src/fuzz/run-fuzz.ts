import { setTimeout as sleep } from "node:timers/promises";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { RawSocket } from "@cm/load";
import { SUBPROTOCOL } from "@cm/protocol";
import { startRedis } from "@cm/test-kit";
import { coreText } from "../attack.js";
import { Bystanders } from "../bystanders.js";
import { CoreWait } from "../core-wait.js";
import { patiently } from "../patient-opening.js";
import { claimsOf, signHs256, TokenIssuer } from "../token-issuer.js";
import { busMessages, frames, type InputSender, requests, type SenderContext, tokens } from "./input-senders.js";
import { SeededRandom } from "./random-values.js";

/** The share of inputs of each kind, depending on how fast it can be sent. */
const KINDS: readonly (readonly [name: string, share: number, send: InputSender])[] = [
  ["frames", 0.4, frames],
  ["requests", 0.15, requests],
  ["tokens", 0.05, tokens],
  ["bus messages", 0.4, busMessages],
];

/**
 * Number of inputs of all kinds per second. A flood would measure how fast the machine is, and not whether any
 * input takes long. A sender that waited for answers catches up.
 */
const INPUTS_PER_SECOND = 10_000;

/** The inputs that are due within this time are sent at once, in milliseconds. */
const STEP_MS = 50;

/** Share of inputs sent before memory is measured first, so that the gateway's caches are filled. */
const WARM_UP_SHARE = 0.2;

/** Maximum growth of memory after that, in MiB, and maximum latency of uninvolved clients, in milliseconds. */
const GROWTH_MAX_MIB = 64;
const PATIENCE_MS = 50;

const SECRET = "siege-0123456789abcdef0123456789abcdef";

/** Options of a fuzz run. */
export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Whether the latency of uninvolved clients affects the result. */
  readonly isTimed: boolean;
}

/**
 * Starts two gateways, one that accepts tokens of a key set and one those of a shared secret, and sends random
 * inputs to them. Resolves with whether the gateways handled the inputs correctly.
 */
export async function runFuzz({ inputs, seed, isTimed }: FuzzOptions): Promise<boolean> {
  const redis = await startRedis();
  const issuer = await TokenIssuer.start();
  const env = {
    REDIS_URL: redis.url,
    TOKEN_SOURCES: "authorization,query",
    PUBLIC_STATS: "true",
    MAX_CONNECTIONS_PER_USER: "0",
    MAX_REQUESTS_PER_SECOND: "100000",
  };
  const gateway = await startGatewayProcess({ env: { ...env, TOKEN_JWKS_URL: issuer.jwksUrl, ADMIN_PORT: "0" } });
  const second = await startGatewayProcess({ env: { ...env, TOKEN_SECRET: SECRET } });
  const both = [gateway, second];
  try {
    const token = issuer.sign("ES256", claimsOf("fuzz"));
    const member = await patiently(() => joinRoom(gateway.wsUrl, token));
    const bystanderUrl = `${gateway.wsUrl}?token=${issuer.sign("EdDSA", claimsOf("bystander"))}&`;
    const bystanders = await patiently(() => Bystanders.open(bystanderUrl));
    const channels = await redis.ask("PUBSUB", "CHANNELS", "*");
    const random = new SeededRandom(seed);
    const context = {
      random,
      wsUrl: gateway.wsUrl,
      port: gateway.port,
      redis,
      channels: Array.isArray(channels) ? channels.map(String) : [],
      token,
      issuer,
      adminPort: Number(gateway.logs.find(({ adminPort }) => adminPort !== undefined)?.adminPort),
      secret: { port: second.port, secret: SECRET, token: signHs256(SECRET, {}, claimsOf("fuzz")) },
    };
    const round = async (share: number): Promise<number> => {
      const counts = await Promise.all(
        KINDS.map(([, part, send]) => paced(send, context, Math.ceil(inputs * share * part), INPUTS_PER_SECOND * part)),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    };
    const memory = (): Promise<number[]> =>
      Promise.all(both.map(async (each) => (await each.usage()).rssBytes / 2 ** 20));
    const beganAt = Date.now();
    const core = new CoreWait(gateway.pid);
    core.start();
    bystanders.start();
    let sent = await round(WARM_UP_SHARE);
    const before = await memory();
    sent += await round(1 - WARM_UP_SHARE);
    const after = await memory();
    const figures = await bystanders.stop();
    const gatewayCore = core.stop();
    const health = both.map(async ({ running, url }) => running && (await fetch(`${url}/healthz`)).ok);
    const isAlive = (await Promise.all(health)).every((isHealthy) => isHealthy);
    const newcomer = await patiently(() => CmSocket.open(`${gateway.wsUrl}?token=${token}&`, ""));
    const answer = await newcomer.ask({ type: "ping" });
    newcomer.terminate();
    member.destroy();
    const stats = (await (await fetch(`${gateway.url}/stats`)).json()) as {
      readonly damaged: number;
      readonly transport: { readonly faults: Record<string, number>; readonly refused: Record<string, number> };
    };
    console.log(
      [
        `${sent} inputs in ${((Date.now() - beganAt) / 1000).toFixed(0)} s (seed ${seed}: ${KINDS.map(([name, part]) => `${Math.round(part * 100)} % ${name}`).join(", ")})`,
        `  the gateways ${isAlive ? "live, and answer" : "ENDED"} (${answer.type})`,
        `  memory ${mebibytes(before)} after the first fifth, ${mebibytes(after)} at the end (tokens of a key set, of a secret)`,
        `  ${figures.pings} pings of others: p99 ${figures.p99Ms.toFixed(1)} ms, longest ${figures.maxMs.toFixed(1)} ms, refused ${JSON.stringify(figures.refusals)}`,
        `  first gateway on a core, waiting for one: ${coreText(gatewayCore)}; event loop of the others, longest delay ${figures.ownDelayMs.toFixed(1)} ms`,
        `  faults ${JSON.stringify(stats.transport.faults)}, refused ${JSON.stringify(stats.transport.refused)}, damaged on the bus ${stats.damaged}`,
      ].join("\n"),
    );
    const isInTime = !isTimed || figures.p99Ms < PATIENCE_MS;
    const isServed = answer.type === "pong" && Object.keys(figures.refusals).length === 0;
    const hasGrown = after.some((size, index) => size - (before[index] ?? 0) >= GROWTH_MAX_MIB);
    return isAlive && isServed && !hasGrown && isInTime;
  } finally {
    await Promise.all(both.map((each) => each.kill()));
    issuer.close();
    await redis.close();
  }
}

/** Sends inputs of one kind at a steady rate. Resolves with the number sent. */
async function paced(send: InputSender, context: SenderContext, inputs: number, perSecond: number): Promise<number> {
  const beganAt = performance.now();
  let sent = 0;
  while (sent < inputs) {
    const elapsedMs = performance.now() - beganAt + STEP_MS;
    const due = Math.min(inputs, Math.ceil((elapsedMs * perSecond) / 1000));
    if (due > sent) sent += await send(context, due - sent);
    else await sleep(STEP_MS);
  }
  return sent;
}

function mebibytes(sizes: readonly number[]): string {
  return `${sizes.map((size) => size.toFixed(0)).join(" and ")} MiB`;
}

/**
 * Connects a member of the room that the bus messages are published to. The member ignores them, because a
 * publisher on the bus may send anything.
 */
function joinRoom(wsUrl: string, token: string): Promise<RawSocket> {
  const url = new URL(wsUrl);
  return new Promise((resolve, reject) => {
    const socket: RawSocket = new RawSocket(
      { url, path: `${url.pathname}?token=${token}`, subprotocol: SUBPROTOCOL },
      {
        onOpen: () => {
          socket.send('{"type":"hello","version":1}');
          socket.send('{"type":"join","room":"fuzz","ref":1}');
        },
        onMessage: (bytes, start, end) => {
          if (bytes.toString("utf8", start, end).startsWith('{"type":"ack"')) resolve(socket);
        },
        onClosed: (code) => reject(new Error(`The member of the room was closed with ${code}.`)),
      },
    );
  });
}

import { signDevelopmentToken } from "@cm/auth";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { RawSocket } from "@cm/load";
import { SUBPROTOCOL } from "@cm/protocol";
import { startRedis } from "@cm/test-kit";
import { Bystanders } from "../bystanders.js";
import { patiently } from "../patient-opening.js";
import { busMessages, frames, type InputSender, requests, tokens } from "./input-senders.js";
import { Draws } from "./random-values.js";

/** The share of inputs of each kind, depending on how fast it can be sent. */
const LANES: readonly (readonly [name: string, share: number, lane: InputSender])[] = [
  ["frames", 0.4, frames],
  ["requests", 0.15, requests],
  ["tokens", 0.05, tokens],
  ["bus messages", 0.4, busMessages],
];

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

/** Sends random inputs to a gateway of its own. Resolves with whether the gateway handled them correctly. */
export async function runFuzz({ inputs, seed, isTimed }: FuzzOptions): Promise<boolean> {
  const redis = await startRedis();
  const gateway = await startGatewayProcess({
    env: {
      REDIS_URL: redis.url,
      TOKEN_SECRET: SECRET,
      TOKEN_SOURCES: "authorization,query",
      PUBLIC_STATS: "true",
      MAX_CONNECTIONS_PER_USER: "0",
      MAX_REQUESTS_PER_SECOND: "100000",
    },
  });
  try {
    const tokenOf = (userId: string) =>
      signDevelopmentToken(SECRET, {
        userId,
        rights: { join: ["*"], publish: ["*"], members: ["*"], send: ["*"], presence: ["*"] },
      });
    const token = await tokenOf("fuzz");
    const member = await patiently(() => joinRoom(gateway.wsUrl, token));
    const bystanderUrl = `${gateway.wsUrl}?token=${await tokenOf("bystander")}&`;
    const bystanders = await patiently(() => Bystanders.open(bystanderUrl));
    const channels = await redis.ask("PUBSUB", "CHANNELS", "*");
    const draws = new Draws(seed);
    const context = {
      draws,
      wsUrl: gateway.wsUrl,
      port: gateway.port,
      redis,
      channels: Array.isArray(channels) ? channels.map(String) : [],
      token,
    };
    const round = async (share: number): Promise<number> => {
      const counts = await Promise.all(LANES.map(([, part, lane]) => lane(context, Math.ceil(inputs * share * part))));
      return counts.reduce((sum, count) => sum + count, 0);
    };
    const memory = async (): Promise<number> => (await gateway.usage()).rssBytes / 2 ** 20;
    const beganAt = Date.now();
    bystanders.start();
    let sent = await round(WARM_UP_SHARE);
    const before = await memory();
    sent += await round(1 - WARM_UP_SHARE);
    const after = await memory();
    const figures = await bystanders.stop();
    const isAlive = gateway.running && (await fetch(`${gateway.url}/healthz`)).ok;
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
        `${sent} inputs in ${((Date.now() - beganAt) / 1000).toFixed(0)} s (seed ${seed}: ${LANES.map(([name, part]) => `${Math.round(part * 100)} % ${name}`).join(", ")})`,
        `  the gateway ${isAlive ? "lives, and answers" : "ENDED"} (${answer.type})`,
        `  memory ${before.toFixed(0)} MiB after the first fifth, ${after.toFixed(0)} MiB at the end`,
        `  ${figures.pings} pings of others: p99 ${figures.p99Ms.toFixed(1)} ms, longest ${figures.maxMs.toFixed(1)} ms, refused ${JSON.stringify(figures.refusals)}`,
        `  faults ${JSON.stringify(stats.transport.faults)}, refused ${JSON.stringify(stats.transport.refused)}, damaged on the bus ${stats.damaged}`,
      ].join("\n"),
    );
    const isInTime = !isTimed || figures.p99Ms < PATIENCE_MS;
    const isServed = answer.type === "pong" && Object.keys(figures.refusals).length === 0;
    return isAlive && isServed && after - before < GROWTH_MAX_MIB && isInTime;
  } finally {
    await gateway.kill();
    await redis.close();
  }
}

/**
 * Connects a member of the room that the messages are published to. It discards the messages, because their
 * senders have access to the bus.
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

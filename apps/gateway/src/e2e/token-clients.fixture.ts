import { createHmac } from "node:crypto";
import { once } from "node:events";
import { inspect } from "node:util";
import { signDevelopmentToken } from "@cm/auth";
import { SUBPROTOCOL } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, onTestFinished } from "vitest";
import WebSocket from "ws";
import { createGateway, type Gateway, type GatewayLogger, type GatewayOptions } from "../index.js";
import { loggedError } from "../log/logged-error.js";

type Frame = Readonly<Record<string, unknown>>;
type Token = Parameters<typeof signDevelopmentToken>[1];

export const SECRET = "0123456789abcdef0123456789abcdef";

export const tokenFor = (userId: string, more: Partial<Token> = {}): Promise<string> =>
  signDevelopmentToken(SECRET, { userId, ...more });

export async function serve(options: Partial<GatewayOptions> = {}): Promise<{ gateway: Gateway; port: number }> {
  const quiet = () => undefined;
  const gateway = createGateway({
    port: 0,
    tokens: { secret: SECRET },
    logger: { info: quiet, warn: quiet, error: quiet },
    ...options,
  });
  onTestFinished(() => gateway.close());
  return { gateway, port: (await gateway.start()).port };
}

/** Starts a gateway. Also returns its log lines, and a function that counts its refused tokens by reason. */
export async function serveCounting(options: Partial<GatewayOptions> = {}) {
  const lines: string[] = [];
  let adminPort: unknown;
  const write: GatewayLogger["info"] = ({ err, ...fields }, message) => {
    adminPort ??= fields.adminPort;
    const failure = err === undefined ? "" : inspect(loggedError(err), { depth: null });
    lines.push(`${message} ${JSON.stringify(fields)} ${failure}`);
  };
  const logger = { info: write, warn: write, error: write };
  const served = await serve({ admin: { port: 0 }, logger, ...options });
  const tokensRefused = async (): Promise<Record<string, number>> => {
    const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
    const counts = metrics.matchAll(/^cm_tokens_refused_total\{reason="(\S+)"\} ([1-9]\d*)$/gm);
    return Object.fromEntries([...counts].map(([, reason, count]) => [reason, Number(count)]));
  };
  return { ...served, lines, tokensRefused };
}

/** Signs claims with an arbitrary header, using the secret. Claims may be given as JSON text. */
export function forge(header: object, claims: object | string, secret = SECRET): string {
  const encode = (value: object | string) =>
    Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** Signs a token of the user `ada`, issued `inSeconds` from now (negative: before), or without an issue time. */
export function tokenIssued(inSeconds: number | undefined, claims: object = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const iat = inSeconds === undefined ? {} : { iat: now + inSeconds };
  return forge({ alg: "HS256" }, { sub: "ada", exp: now + 3_600, ...iat, ...claims });
}

function dial(port: number, token: string): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, [SUBPROTOCOL, `cm.token.${token}`]);
  onTestFinished(() => socket.terminate());
  return socket;
}

/** Returns status, code, and whether the body contains the token, of the HTTP response to a refused upgrade. */
export async function refusal(port: number, token: string): Promise<unknown> {
  const socket = dial(port, token);
  socket.on("error", () => undefined);
  const [, response] = await once(socket, "unexpected-response");
  let body = "";
  for await (const chunk of response) body += chunk;
  return [response.statusCode, JSON.parse(body).code, body.includes(token)];
}

/** Connects and sends hello. Retries if the socket ends without a response, as clients should after code 1006. */
export async function connect(port: number, userId: string, more: Partial<Token> = {}) {
  return connectWith(port, await tokenFor(userId, more), userId);
}

/** Like {@link connect}, with any token. */
export async function connectWith(port: number, token: string, userId = "ada") {
  for (let attempt = 1; ; attempt++) {
    const client = await open(port, token);
    const welcome = client.ask({ type: "hello", version: 1 }).catch((error: unknown) => error);
    const answer = await Promise.race([welcome, client.ended]);
    if (answer === 1006 && attempt < 3) continue;
    expect(answer).toMatchObject({ type: "welcome", user: userId });
    return client;
  }
}

async function open(port: number, token: string) {
  const socket = dial(port, token);
  const frames: Frame[] = [];
  let closed: number | undefined;
  socket.on("message", (data) => frames.push(JSON.parse(String(data))));
  const ended = new Promise<unknown>((resolve) => {
    socket.once("close", (code) => {
      closed = code;
      resolve(code);
    });
  });
  await once(socket, "open");
  expect(socket.protocol).toBe(SUBPROTOCOL);
  let refs = 0;
  const ask = (frame: Frame): Promise<Frame> => {
    const ref = ++refs;
    socket.send(JSON.stringify({ ...frame, ref }));
    return eventually(() => frames.find((answer) => answer.ref === ref) ?? Promise.reject(new Error("no answer yet")));
  };
  /** Returns the outcome of a request: the code of its refusal, or the type of its response. */
  const outcome = async (frame: Frame): Promise<unknown> => {
    const { code, type } = await ask(frame);
    return code ?? type;
  };
  const of = (type: string) => frames.filter((frame) => frame.type === type);
  return { ask, outcome, of, ended, closed: () => closed, close: () => socket.close() };
}

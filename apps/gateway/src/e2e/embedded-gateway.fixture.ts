import { SUBPROTOCOL } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { onTestFinished } from "vitest";
import WebSocket from "ws";
import type { GatewayOptions } from "../gateway-options.js";
import { createGateway, type Gateway } from "../index.js";
import { causesOf } from "../log/logged-error.js";

type Frame = Readonly<Record<string, unknown>>;

/** Starts a gateway on a free port that takes the user id from the query. Also returns the errors that it logged. */
export async function serve(options: Partial<GatewayOptions> = {}) {
  const logged: string[] = [];
  const errors: Record<string, unknown>[] = [];
  const gateway: Gateway = createGateway({
    port: 0,
    authenticate: ({ query }) => ({ userId: query, data: { role: `role of ${query}` } }),
    logger: {
      info: () => undefined,
      warn: () => undefined,
      error: ({ err, ...fields }, message) => {
        logged.push(`${message}: ${fields.code}`);
        errors.push({ ...fields, causes: causesOf(err) });
      },
    },
    hookTimeoutMs: 200,
    ...options,
  });
  onTestFinished(() => gateway.close());
  return { gateway, logged, errors, ...(await gateway.start()) };
}

/** Connects a client that collects the frames that it receives and can wait for the response to a reference. */
export async function connect(port: number, user: string) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?${user}`, SUBPROTOCOL);
  onTestFinished(() => socket.terminate());
  const frames: Frame[] = [];
  let closed: number | undefined;
  socket.on("message", (data) => frames.push(JSON.parse(String(data))));
  socket.on("close", (code) => {
    closed = code;
  });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  let refs = 0;
  const send = (frame: Frame): number => {
    socket.send(JSON.stringify({ ...frame, ref: ++refs }));
    return refs;
  };
  const answer = (ref: number): Promise<Frame> =>
    eventually(() => frames.find((frame) => frame.ref === ref) ?? Promise.reject(new Error("no answer yet")));
  const ask = (frame: Frame): Promise<Frame> => answer(send(frame));
  return { frames, send, answer, ask, hello: () => ask({ type: "hello", version: 1 }), closed: () => closed, socket };
}

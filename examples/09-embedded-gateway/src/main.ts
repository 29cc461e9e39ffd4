/*
 * The gateway within a program of one's own: users log in over HTTP, and what they may do
 * in which room is the program's to say.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createGateway } from "@cm/gateway";
import { CmError, SUBPROTOCOL } from "@cm/protocol";
import WebSocket from "ws";

const sessions = new Map<string, string>(); // token → user

/** POST /login with the user's name as the body. A real one asks for more than a name. */
const login = createServer(async (request, response) => {
  if (request.method !== "POST" || request.url !== "/login") return void response.writeHead(404).end();
  const [user] = await once(request, "data");
  const token = randomUUID();
  sessions.set(token, String(user));
  response.end(token);
}).listen(0, "127.0.0.1");
await once(login, "listening");

// #region gateway
const gateway = createGateway({
  port: 0,
  redisUrl: process.env.REDIS_URL,
  ...(process.env.REDIS_PREFIX === undefined ? {} : { redisPrefix: process.env.REDIS_PREFIX }),
  drainMs: 0,
  authenticate({ query }) {
    const userId = sessions.get(new URLSearchParams(query).get("token") ?? "");
    if (userId === undefined) throw new CmError("unauthorized", "Log in first.");
    return { userId };
  },
  onJoin({ userId }, { room }) {
    if (room === "staff" && userId !== "ann") return { refuse: "unauthorized", message: "Only staff." };
    return undefined;
  },
  onPublish: async ({ userId }, { room, data }) => console.log(`${userId} says in ${room}: ${String(data)}`),
});
const { port } = await gateway.start();
// #endregion

/** Logs in, connects, and answers each request with what the gateway answers. */
async function enter(user: string) {
  const address = login.address();
  const loginPort = typeof address === "object" ? address?.port : undefined;
  const reply = await fetch(`http://127.0.0.1:${loginPort}/login`, { method: "POST", body: user });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?token=${await reply.text()}`, SUBPROTOCOL);
  await once(socket, "open");
  const ask = async (request: object): Promise<string> => {
    socket.send(JSON.stringify({ ...request, ref: 1 }));
    return String((await once(socket, "message"))[0]);
  };
  await ask({ type: "hello", version: 1 });
  return ask;
}

const [ann, bob] = [await enter("ann"), await enter("bob")];
console.log(`bob joins staff: ${await bob({ type: "join", room: "staff" })}`);
console.log(`ann joins staff: ${await ann({ type: "join", room: "staff" })}`);
await ann({ type: "publish", room: "staff", data: "hello", echo: false });

const stranger = new WebSocket(`ws://127.0.0.1:${port}/ws?token=guessed`, SUBPROTOCOL);
console.log(`without a session: ${String((await once(stranger, "error"))[0])}`);

await gateway.close();
login.close();

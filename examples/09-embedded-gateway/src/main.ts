/*
 * The gateway embedded in a program: users log in on one of its routes, a cookie identifies the user of a
 * connection, and the program decides what users may do in each room.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createGateway } from "@cm/gateway";
import { CmError, decodeUtf8, parseName, SUBPROTOCOL } from "@cm/protocol";
import WebSocket from "ws";

// #region gateway
const sessions = new Map<string, string>(); // Cookie value → user. A real store expires sessions and shares them among processes.

const gateway = createGateway({
  port: 0,
  redisUrl: process.env.REDIS_URL,
  redisPrefix: process.env.REDIS_PREFIX,
  drainMs: 0,
  allowedOrigins: ["https://chat.example.com"], // Pages that may connect: a browser sends the cookie whichever page connects.
  routes: {
    // The body is the user's name. A real login requires more than a name.
    "POST /login": ({ body }) => {
      const user = parseName(decodeUtf8(body), "user");
      if (!user.ok) throw user.error; // The response is 400 with the error's code.
      const session = randomUUID();
      sessions.set(session, user.value);
      // If served over TLS, append "; Secure".
      return { status: 204, headers: { "Set-Cookie": `session=${session}; HttpOnly; SameSite=Strict; Path=/` } };
    },
  },
  authenticate({ headers }) {
    const [, session = ""] = /(?:^|; *)session=([^;]*)/.exec(headers.cookie ?? "") ?? [];
    const userId = sessions.get(session);
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

/** Logs in and connects with the cookie, as a browser does by itself. Resolves with a function that sends a request. */
async function enter(user: string) {
  const login = await fetch(`http://127.0.0.1:${port}/login`, { method: "POST", body: user });
  const [cookie = ""] = login.headers.getSetCookie().map((each) => each.split(";")[0]);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, SUBPROTOCOL, { headers: { cookie } });
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

const stranger = new WebSocket(`ws://127.0.0.1:${port}/ws`, SUBPROTOCOL, { headers: { cookie: "session=guessed" } });
console.log(`without a session: ${String((await once(stranger, "error"))[0])}`);

const nameless = await fetch(`http://127.0.0.1:${port}/login`, { method: "POST" });
console.log(`without a name: ${nameless.status} ${await nameless.text()}`);

await gateway.close();

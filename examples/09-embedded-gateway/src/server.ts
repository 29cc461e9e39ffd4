/*
 * The gateway embedded in a program: users log in on one of its routes, a cookie identifies the user of a
 * connection, and the program decides what users may do in each room.
 */
import { randomUUID } from "node:crypto";
import { createGateway } from "@cm/gateway";
import { CmError, decodeUtf8, parseName } from "@cm/protocol";

const sessions = new Map<string, string>(); // Cookie value → user. A real store expires sessions and shares them among processes.

// #region gateway
const gateway = createGateway({
  port: Number(process.env.PORT ?? 3000),
  redisUrl: process.env.REDIS_URL, // If it is not set, this process works alone, in memory.
  redisPrefix: process.env.REDIS_PREFIX,
  allowedOrigins: [process.env.ORIGIN ?? "http://localhost:3000"], // Origins of pages that may connect; a browser sends the cookie for any page.
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
  onPublish: async ({ userId }, { room, data }) => console.log(`${userId} says in ${room}: ${JSON.stringify(data)}`),
});
// #endregion
const { port } = await gateway.start();
console.log(`listening on ${port}`);

process.once("SIGTERM", async () => {
  await gateway.drain(); // Asks the clients to reconnect; they then reach another process.
  await gateway.close();
});

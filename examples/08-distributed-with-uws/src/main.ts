/*
 * Rooms across two servers of uWebSockets.js, each with its own App. Rooms are native topics, and a client that
 * does not read is closed before it can miss a message.
 */

import uws from "uWebSockets.js";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { createDistributedConnectionManager } from "@cm/connection-manager";
import { isCmError } from "@cm/protocol";
import { createLocalConnectionManager } from "@cm/server-uws";
import WebSocket from "ws";
import { openStore } from "./store.js";

/** The user data of this App's sockets. */
interface Caller {
  readonly user: string;
  hasLeft: boolean;
}

async function startServer(serverId: string) {
  const store = await openStore(); // Or pass `redisUrl` instead of `store` below.
  const app = uws.App();
  const local = createLocalConnectionManager<Caller>({ app, maxConnections: 1_000 });
  const manager = await createDistributedConnectionManager(local, {
    store,
    serverId,
    onError: (error, { stage }) => console.error(stage, error),
  });

  app.ws<Caller>(
    "/ws",
    local.behavior({
      upgrade(res, req, context) {
        // The request is valid only during this call. Authenticate your users instead of trusting the query.
        const caller: Caller = { user: req.getQuery("user") ?? "", hasLeft: false };
        const [key, protocol, extensions] = [
          req.getHeader("sec-websocket-key"),
          req.getHeader("sec-websocket-protocol"),
          req.getHeader("sec-websocket-extensions"),
        ];
        res.upgrade(caller, key, protocol, extensions, context);
      },
      async open(socket) {
        const caller = socket.getUserData();
        try {
          const id = await manager.registerConnection(socket, caller.user);
          await manager.joinRoom(id, "lobby");
          await manager.sendToConnection(id, { type: "welcome" });
        } catch (error) {
          // The server is full, for example. A socket must not be used after it has closed.
          if (!caller.hasLeft) socket.end(isCmError(error) && error.retryable ? 1013 : 1008);
        }
      },
      close(socket) {
        socket.getUserData().hasLeft = true;
      },
      message(socket, message) {
        // The bytes are valid only during this call.
        const text = Buffer.from(message).toString();
        const { user } = socket.getUserData();
        manager.broadcastToRoom("lobby", { type: "chat", from: user, text }).catch(console.error);
      },
    }),
  );
  const port = await new Promise<number>((resolve, reject) => {
    app.listen("127.0.0.1", 0, (listening) => {
      if (listening === false) reject(new Error("can't listen"));
      else resolve(uws.us_socket_local_port(listening));
    });
  });
  return {
    manager,
    local,
    url: `ws://127.0.0.1:${port}/ws`,
    async close() {
      await manager.shutdown();
      app.close();
      await store.close();
    },
  };
}

async function connect(url: string, user: string) {
  const socket = new WebSocket(`${url}?user=${user}`);
  const next = async (): Promise<unknown> => JSON.parse(String((await once(socket, "message"))[0]));
  await next();
  return { socket, next };
}

const [one, two] = await Promise.all([startServer("server-1"), startServer("server-2")]);
const ann = await connect(one.url, "ann");
const bob = await connect(two.url, "bob");

const heard = bob.next();
ann.socket.send("hello");
console.log("bob heard:", JSON.stringify(await heard));

console.log("to all devices of bob:", await one.manager.sendToUser("bob", { type: "ping" }));

const nameless = new WebSocket(one.url);
console.log("without a name: closed with", (await once(nameless, "close"))[0]);

// Ann stops reading. Messages to the room are buffered for her, up to a limit.
ann.socket.pause();
while (one.local.stats().slowConsumersClosed === 0) {
  await one.manager.broadcastToRoom("lobby", "x".repeat(60_000));
  await sleep(1);
}
console.log(`ann was cut as a slow reader; ${one.local.size} connections are left here`);

await Promise.all([one.close(), two.close()]);

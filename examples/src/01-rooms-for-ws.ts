/*
 * Rooms across two servers whose sockets are the `ws` package's. The router only asks for
 * three functions that know the sockets of the process; the rest is between it and the store.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { LocalDelivery, Store } from "@cm/protocol";
import { createRouter } from "@cm/router";
import WebSocket, { WebSocketServer } from "ws";
import { openStore } from "./store.js";

interface RoomServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Everybody who connects is in the room named by the path; what they send goes to all in it. */
async function startRoomServer(serverId: string): Promise<RoomServer> {
  const store: Store = await openStore();
  const rooms = new Map<string, Set<WebSocket>>();

  const local: LocalDelivery = {
    toRoom(room, frame) {
      const text = Buffer.from(frame).toString();
      for (const socket of rooms.get(room) ?? []) socket.send(text);
    },
    toConnection: () => false,
    toUser: () => 0,
  };
  const router = createRouter({ serverId, bus: store.bus, users: store.users, local });
  await router.start();

  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket, request) => {
    const room = request.url ?? "/";
    router.enter(room).then(
      () => {
        rooms.set(room, (rooms.get(room) ?? new Set()).add(socket));
        socket.send("you are in");
        socket.on("message", (data) => {
          router.toRoom(room, Buffer.from(String(data))).catch((error: unknown) => console.error(error));
        });
        socket.on("close", () => {
          rooms.get(room)?.delete(socket);
          router.exit(room);
        });
      },
      () => socket.close(1013),
    );
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo; // Listening on TCP.
  return {
    url: `ws://127.0.0.1:${port}`,
    async close() {
      for (const client of server.clients) client.terminate();
      server.close();
      await router.close();
      await store.close();
    },
  };
}

async function join(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  await once(socket, "message");
  return socket;
}

const [one, two] = await Promise.all([startRoomServer("server-1"), startRoomServer("server-2")]);
const [ann, bob] = await Promise.all([join(`${one.url}/lobby`), join(`${two.url}/lobby`)]);

const heard = once(bob, "message");
ann.send("hello from the other server");
console.log(`bob heard: ${String((await heard)[0])}`);

await Promise.all([one.close(), two.close()]);

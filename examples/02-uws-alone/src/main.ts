/*
 * The transport alone: a chat room on one server, with a limit on connections, bounded buffers for slow readers
 * and asynchronous authentication.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { CmError, createConnectionIdSource } from "@cm/protocol";
import { createUwsServer } from "@cm/server-uws";
import WebSocket from "ws";

const ids = createConnectionIdSource({ serverId: "chat" });

const server = createUwsServer<{ readonly since: Date }>({
  port: 0,
  subprotocols: ["chat.v1"],
  maxConnections: 1_000,
  nextConnectionId: () => ids.next(),
  async authenticate({ query }) {
    await sleep(5); // Stands for a look-up in another system.
    const name = new URLSearchParams(query).get("name");
    if (name === null) throw new CmError("unauthorized", "Who are you?");
    return { userId: name, data: { since: new Date() } };
  },
  handler: {
    open(connection) {
      connection.enter("chat");
      connection.send(`welcome ${connection.userId}`);
    },
    frame(connection, text) {
      server.toRoom("chat", Buffer.from(`${connection.userId}: ${text}`), [connection.id]);
    },
    binary: (connection) => connection.close("protocol-error"),
    closed: (connection, code) => console.log(`${connection.userId} left with ${code}`),
  },
  routes: { "/healthz": () => ({ status: 200, body: "ok" }) },
  onError: (error, { stage }) => console.error(stage, error),
});
const { port } = await server.start();

async function join(name: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?name=${name}`, "chat.v1");
  const [welcome] = await Promise.race([once(socket, "message"), once(socket, "close").then(() => [])]);
  // The connection closed before the welcome: connect again, as any client should.
  if (welcome === undefined) return join(name);
  console.log(String(welcome));
  return socket;
}

const ann = await join("ann");
const bob = await join("bob");
const heard = once(bob, "message");
ann.send("hello");
console.log(`bob heard: ${String((await heard)[0])}`);

const refused = new WebSocket(`ws://127.0.0.1:${port}/ws`, "chat.v1");
refused.on("error", (error) => console.log(`without a name: ${error.message}`));
await once(refused, "error");

await server.close();

/*
 * Logs a user in, connects with the cookie, as a browser would, and joins a room. Each line of the input is
 * published to the room.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import WebSocket from "ws";

const [user = "ann", room = "lobby", port = "3000"] = process.argv.slice(2);
const login = await fetch(`http://127.0.0.1:${port}/login`, { method: "POST", body: user });
const [cookie = ""] = login.headers.getSetCookie().map((each) => each.split(";")[0]);

const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, "cm.v1", { headers: { cookie } });
socket.on("message", (data) => console.log(`${user} receives ${String(data)}`));
socket.on("close", (code) => process.exit(code === 1000 ? 0 : 1));
await once(socket, "open"); // Rejects if the gateway refuses the connection.

const send = (frame: object): void => socket.send(JSON.stringify(frame));
send({ type: "hello", version: 1 });
send({ type: "join", room, ref: "join" });
const lines = createInterface({ input: process.stdin });
lines.on("line", (text) => send({ type: "publish", room, data: text }));
lines.on("close", () => socket.close(1000));

import { createInterface } from "node:readline";
import WebSocket from "ws";

const socket = new WebSocket(process.argv[2] ?? "ws://127.0.0.1:3001/lobby?user=ann");
socket.on("message", (data) => console.log(String(data)));
socket.on("close", (code) => process.exit(code === 1001 ? 0 : 1));
createInterface({ input: process.stdin }).on("line", (line) => socket.send(line));

import type { Server } from "socket.io";

/** Serves rooms with socket.io. The servers on Node's HTTP server and on uWebSockets.js both run it. */
export function serveRooms(io: Server): void {
  io.on("connection", (socket) => {
    socket.on("join", async (room: string, answer: () => void) => {
      await socket.join(room);
      answer();
    });
    socket.on("publish", (room: string, data: string) => {
      io.to(room).emit("message", data);
    });
  });
}

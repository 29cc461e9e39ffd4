import type { Server } from "socket.io";

/** The same application on either HTTP server. */
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

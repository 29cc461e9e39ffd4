import type { Server } from "socket.io";

/** Serves the rooms with socket.io; both HTTP servers run this application. */
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

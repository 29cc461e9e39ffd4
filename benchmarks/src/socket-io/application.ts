import type { Server } from "socket.io";

/** The application, which is the same on both HTTP servers. */
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

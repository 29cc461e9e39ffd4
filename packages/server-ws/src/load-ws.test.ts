import { describe, expect, it } from "vitest";
import { loadWs } from "./load-ws.js";

const failing = (code: string, message: string) => () => Promise.reject(Object.assign(new Error(message), { code }));

describe("the package ws", () => {
  it("loads", async () => {
    expect((await loadWs()).WebSocketServer).toBeTypeOf("function");
  });

  it("that is not installed is named with its install line", async () => {
    const load = failing("ERR_MODULE_NOT_FOUND", "Cannot find package 'ws' imported from /app/server.js");
    await expect(loadWs(load)).rejects.toMatchObject({
      code: "options-invalid",
      message: "A server on ws needs ws, a peer dependency that is not installed: npm install ws.",
      details: { field: "ws" },
    });
  });

  it("that fails for another reason keeps its error", async () => {
    const load = failing("ERR_MODULE_NOT_FOUND", "Cannot find package 'other' imported from /app/ws/index.js");
    await expect(loadWs(load)).rejects.toThrow("'other'");
  });
});

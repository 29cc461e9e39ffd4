import type { WebSocket } from "uWebSockets.js";
import { bytes, RawClient, WAIT } from "@cm/contract-tests/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { listenOnFreePort } from "../listening/free-port.fixture.js";
import { loadNative } from "../native-library.js";

/** Returns a frame of the given length that begins with its number. */
function numbered(number: number, length: number): Uint8Array {
  return bytes(`${number}:`.padEnd(length, "x"));
}

/** Waits for one turn of the event loop, in which the native layer flushes. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("the native limit on its own", () => {
  it("leaves a hole and continues sending, which is why it is not used", async () => {
    const native = loadNative(4_096);
    const app = native.App();
    const sockets: WebSocket<unknown>[] = [];
    let dropped = 0;
    app.ws("/ws", {
      maxBackpressure: 64 * 1024,
      open: (socket) => {
        socket.subscribe("room");
        sockets.push(socket);
      },
      dropped: () => {
        dropped += 1;
      },
    });
    onTestFinished(() => void app.close());
    const port = await listenOnFreePort(native, app);
    const raw = await RawClient.dial(port);
    onTestFinished(() => raw.destroy());
    await vi.waitFor(() => expect(sockets).toHaveLength(1), WAIT);
    raw.socket.pause();
    let count = 0;
    while (dropped === 0) {
      for (let burst = 0; burst < 100; burst += 1) app.publish("room", numbered(count++, 2_000), false);
      await turn();
    }
    raw.socket.resume();
    await vi.waitFor(() => expect(sockets[0]?.getBufferedAmount()).toBe(0), WAIT);
    app.publish("room", numbered(count, 2_000), false);
    await vi.waitFor(() => expect(Number.parseInt(raw.texts.at(-1) ?? "", 10)).toBe(count), WAIT);
    // More messages were lost than reported, and later ones were still delivered.
    expect(count + 1 - raw.texts.length).toBeGreaterThan(dropped);
    expect(raw.ended).toBe(false);
  });
});

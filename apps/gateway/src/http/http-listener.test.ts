import { Server } from "node:net";
import type { CmError } from "@cm/protocol";
import { expect, it, onTestFinished, vi } from "vitest";
import { createHttpListener } from "./http-listener.js";

it("reports each failed accept and goes on listening", async () => {
  const listen = vi.spyOn(Server.prototype, "listen");
  onTestFinished(() => listen.mockRestore());
  const errors: [CmError, string][] = [];
  const listener = createHttpListener({
    host: "127.0.0.1",
    port: 0,
    routes: { "/": () => ({ status: 204 }) },
    onError: (error, { stage }) => void errors.push([error, stage]),
  });
  onTestFinished(() => listener.close());
  const { port } = await listener.start();
  const [server] = listen.mock.contexts as [Server];
  // Node emits this event if the kernel refuses an accept, which a test can't make it do.
  const cause = Object.assign(new Error("accept ENOBUFS"), { code: "ENOBUFS" });
  for (let failed = 0; failed < 2; failed++) server.emit("error", cause);
  const reported = [expect.objectContaining({ code: "unavailable", cause }), "listening"];
  expect(errors).toEqual([reported, reported]);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(204);
});

it("rejects the start on a port that is in use", async () => {
  const options = { host: "127.0.0.1", routes: {}, onError: () => expect.unreachable() };
  const first = createHttpListener({ ...options, port: 0 });
  onTestFinished(() => first.close());
  const { port } = await first.start();
  const second = createHttpListener({ ...options, port });
  await expect(second.start()).rejects.toMatchObject({ code: "port-in-use" });
  await second.close();
});

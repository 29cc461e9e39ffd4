import { freePort } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import { readGatewayConfig } from "./config/config-reader.js";
import { startWorkers } from "./worker-processes.js";

it("ends at once if it is stopped before Node has reported that no worker could be started", async () => {
  const { execPath } = process;
  onTestFinished(() => {
    process.execPath = execPath;
  });
  process.execPath = "/nonexistent/node";
  const logged: unknown[] = [];
  const log = { info: () => undefined, error: (fields: unknown) => void logged.push(fields) };
  const stop = new AbortController();
  const port = await freePort();
  const config = readGatewayConfig({ WORKERS: "2", REDIS_URL: "redis://127.0.0.1:1", PORT: String(port) });
  const stopping = {
    ...config,
    // Read for each worker that is started, before Node reports that it could not be.
    get serverId() {
      stop.abort("SIGTERM");
      return config.serverId;
    },
  };
  await expect(startWorkers(stopping, "main.js", log, stop.signal)).rejects.toBe("SIGTERM");
  const failed = (worker: number) =>
    expect.objectContaining({ worker, err: expect.objectContaining({ code: "ENOENT" }) });
  await expect.poll(() => logged).toEqual([failed(1), failed(2)]);
});

import { openClient, WAIT } from "@cm/contract-tests/transport";
import { expect, it, vi } from "vitest";
import { startServer } from "./server.fixture.js";

it("a drain stops listening if others share its port", async () => {
  const first = await startServer();
  const { port } = first;
  await first.server.close();
  const { server } = await startServer({ port, sharePort: true });
  await server.drain({ overMs: 0 });
  const late = openClient(port, "/ws");
  await vi.waitFor(() => expect(late.closes).toMatchObject([{ code: 1006 }]), WAIT);
  expect(server.stats().refused).toEqual({});
});

import { createPartHarness, describeBus } from "@cm/contract-tests/bus";
import { startHub, TcpBus } from "./tcp-bus.js";

describeBus("a bus over TCP", async () => {
  const { port, server } = await startHub();
  return createPartHarness({
    open: async () => ({ bus: await TcpBus.connect(port) }),
    close: async ({ bus }) => bus.close(),
    cleanUp: async () => void server.close(),
  });
});

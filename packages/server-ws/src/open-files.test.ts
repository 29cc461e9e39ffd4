import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { outcomeOfFileExhaustion } from "@cm/test-kit";
import { describe, expect, it } from "vitest";

const INDEX = pathToFileURL(join(import.meta.dirname, "../dist/index.js")).href;

// Windows has no `ulimit`, and macOS has limits of its own.
describe.runIf(process.platform === "linux")("a process that can open no more files", () => {
  it("refuses new connections at once, says so once, and takes them again", async () => {
    const outcome = await outcomeOfFileExhaustion({
      module: INDEX,
      factory: "createWsServer",
      maxConnections: 100,
      whilePaused: `
        // A file for the client's side of a connection, which the server does not accept.
        closeSync(files.pop());
        const [error] = await once(connect(port, "127.0.0.1"), "error");
        outcome.refused = error.code;
      `,
    });
    expect(outcome).toEqual({ errors: ["unavailable listening"], refused: "ECONNREFUSED", pauses: 1 });
  });
});

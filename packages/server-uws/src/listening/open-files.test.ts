import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { outcomeOfFileExhaustion, startupErrorsWithFewFiles } from "@cm/test-kit";
import { describe, expect, it } from "vitest";

const SERVER = {
  module: pathToFileURL(join(import.meta.dirname, "../../dist/index.js")).href,
  factory: "createUwsServer",
};

/** Returns the errors that a server with this `maxConnections` reports at its start, if it may open 700 files. */
const startupErrors = (maxConnections: number) => startupErrorsWithFewFiles({ ...SERVER, maxConnections });

// The server reads its limit of open files from /proc, which only Linux has.
describe.runIf(process.platform === "linux")("a process that may open fewer files than it takes connections", () => {
  it("says at its start how many it needs, and serves", async () => {
    expect(await startupErrors(445)).toEqual([
      {
        code: "options-invalid",
        stage: "listening",
        message: expect.stringContaining("Raise the limit to 701 or more"),
        details: { field: "maxConnections", maxConnections: 445, openFiles: 700, needed: 701 },
      },
    ]);
  });

  it("reports no error if its open-file limit suffices", async () => {
    expect(await startupErrors(444)).toEqual([]);
  });

  it("refuses new connections at once when files run out, at rest, says so once, and takes them again", async () => {
    const outcome = await outcomeOfFileExhaustion({
      ...SERVER,
      maxConnections: 100,
      whenExhausted: `
        // A file for the client's side of a connection: the server's side finds none.
        for (let i = 0; i < 3; i++) {
          closeSync(files.pop());
          try { clients.push(connect(port, "127.0.0.1").on("error", nothing)); } catch {}
        }
      `,
      whilePaused: `
        const from = process.cpuUsage();
        await sleep(500);
        const { user, system } = process.cpuUsage(from);
        outcome.isBusy = user + system > 250_000;
      `,
    });
    expect(outcome).toEqual({ errors: ["unavailable listening"], isBusy: false, pauses: 1 });
  });
});

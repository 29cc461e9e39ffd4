import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { printedWithFewFiles } from "@cm/test-kit";
import { describe, expect, it } from "vitest";

/** Runs a script in a process that may open 700 files. Returns the value that it prints. */
const printed = (script: string): Promise<unknown> => printedWithFewFiles(700, script);

const INDEX = JSON.stringify(pathToFileURL(join(import.meta.dirname, "../../dist/index.js")).href);

/**
 * Returns the error that a server with this `maxConnections` reports at its start, in a process that may open
 * 700 files.
 */
async function told(maxConnections: number): Promise<unknown> {
  const script = `
    const { createUwsServer } = await import(${INDEX});
    const nothing = () => undefined;
    const handler = { open: nothing, frame: nothing, binary: nothing, closed: nothing };
    const errors = [];
    const server = createUwsServer({
      port: 0, subprotocols: ["x"], authenticate: nothing, nextConnectionId: nothing, handler,
      maxConnections: ${maxConnections},
      onError: ({ code, message, details }, { stage }) => errors.push({ code, message, details, stage }),
    });
    await server.start();
    await server.close();
    console.log(JSON.stringify(errors));
  `;
  return printed(script);
}

describe.runIf(process.platform === "linux")("a process that may open fewer files than it takes connections", () => {
  it("says at its start how many it needs, and serves", async () => {
    expect(await told(445)).toEqual([
      {
        code: "options-invalid",
        stage: "listening",
        message: expect.stringContaining("Raise the limit to 701 or more"),
        details: { field: "maxConnections", maxConnections: 445, openFiles: 700, needed: 701 },
      },
    ]);
  });

  it("says nothing where they are enough", async () => {
    expect(await told(444)).toEqual([]);
  });

  it("refuses new connections at once when files run out, at rest, says so once, and takes them again", async () => {
    const outcome = await printed(`
      import { once } from "node:events";
      import { closeSync, openSync } from "node:fs";
      import { connect } from "node:net";
      import { setTimeout as sleep } from "node:timers/promises";
      const { createUwsServer } = await import(${INDEX});
      const nothing = () => undefined;
      const handler = { open: nothing, frame: nothing, binary: nothing, closed: nothing };
      const errors = [];
      const server = createUwsServer({
        port: 0, subprotocols: ["x"], authenticate: nothing, nextConnectionId: nothing, handler,
        maxConnections: 100, onError: ({ code }, { stage }) => errors.push(code + " " + stage),
      });
      const { port } = await server.start();
      const files = [];
      try { for (;;) files.push(openSync("/dev/null")); } catch {}
      // A file for the client's side of a connection: the server's side finds none.
      const waiting = [];
      for (let i = 0; i < 3; i++) {
        closeSync(files.pop());
        try { waiting.push(connect(port, "127.0.0.1").on("error", nothing)); } catch {}
      }
      while (server.stats().acceptPauses === 0) await sleep(10);
      const from = process.cpuUsage();
      await sleep(500);
      const { user, system } = process.cpuUsage(from);
      for (const file of files) closeSync(file);
      let isOpen = false;
      while (!isOpen) {
        const client = connect(port, "127.0.0.1").on("error", nothing);
        isOpen = await once(client, "connect").then(() => true, () => false);
        client.destroy();
        await sleep(20);
      }
      for (const client of waiting) client.destroy();
      await server.close();
      console.log(JSON.stringify({ errors, isBusy: user + system > 250_000, pauses: server.stats().acceptPauses }));
    `);
    expect(outcome).toEqual({ errors: ["unavailable listening"], isBusy: false, pauses: 1 });
  });
});

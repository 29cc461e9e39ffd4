import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { printedWithFewFiles } from "@cm/test-kit";
import { describe, expect, it } from "vitest";

const INDEX = JSON.stringify(pathToFileURL(join(import.meta.dirname, "../dist/index.js")).href);

/** This script runs in a process that may open 700 files. */
const SCRIPT = `
  import { once } from "node:events";
  import { closeSync, openSync } from "node:fs";
  import { connect } from "node:net";
  import { setTimeout as sleep } from "node:timers/promises";
  const { createWsServer } = await import(${INDEX});
  const nothing = () => undefined;
  const handler = { open: nothing, frame: nothing, binary: nothing, closed: nothing };
  const errors = [];
  const server = createWsServer({
    port: 0, subprotocols: ["x"], authenticate: nothing, nextConnectionId: nothing, handler,
    maxConnections: 100, onError: ({ code }, { stage }) => errors.push(code + " " + stage),
  });
  const { port } = await server.start();
  const files = [];
  try { for (;;) files.push(openSync("/dev/null")); } catch {}
  while (server.stats().acceptPauses === 0) await sleep(10);
  // A file for the client's side of a connection, which the server does not accept.
  closeSync(files.pop());
  const [refused] = await once(connect(port, "127.0.0.1"), "error");
  for (const file of files) closeSync(file);
  let isOpen = false;
  while (!isOpen) {
    const client = connect(port, "127.0.0.1").on("error", nothing);
    isOpen = await once(client, "connect").then(() => true, () => false);
    client.destroy();
    await sleep(20);
  }
  await server.close();
  console.log(JSON.stringify({ errors, refused: refused.code, pauses: server.stats().acceptPauses }));
`;

describe.runIf(process.platform === "linux")("a process that can open no more files", () => {
  it("refuses new connections at once, says so once, and takes them again", async () => {
    expect(await printedWithFewFiles(700, SCRIPT)).toEqual({
      errors: ["unavailable listening"],
      refused: "ECONNREFUSED",
      pauses: 1,
    });
  });
});

import { execFile } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);

/** What a server with this many connections tells at its start, in a process that may open 700 files. */
async function told(maxConnections: number): Promise<unknown> {
  const script = `
    const { createUwsServer } = await import(${JSON.stringify(pathToFileURL(join(import.meta.dirname, "../dist/index.js")).href)});
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
  const { stdout } = await run("sh", [
    "-c",
    'ulimit -n 700 && exec "$0" --input-type=module --eval "$1"',
    process.execPath,
    script,
  ]);
  return JSON.parse(stdout);
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
});

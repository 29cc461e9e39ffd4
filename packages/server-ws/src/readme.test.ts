import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, startManagedProcess } from "@cm/test-kit";
import { openClient, WAIT } from "@cm/test-kit/contracts";
import { expect, it, onTestFinished, vi } from "vitest";
import WebSocket from "ws";

const PACKAGE = join(import.meta.dirname, "..");

it("the README's program runs as it stands, and serves WebSockets and HTTP on one port", async () => {
  const [, code = ""] = /^```js\n(.*?)^```$/ms.exec(await readFile(join(PACKAGE, "README.md"), "utf8")) ?? [];
  expect(code).toContain('subprotocols: ["chat.v1"]');
  const port = await freePort();
  // Inside the package, so that it is found by its name. The client of the tests offers another subprotocol.
  const folder = await mkdtemp(join(PACKAGE, ".readme-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "main.mjs");
  await writeFile(file, code.replace("listen(3000", `listen(${port}`).replace("chat.v1", "test.v1"));
  const program = startManagedProcess({ command: process.execPath, args: [file] });
  onTestFinished(async () => void (await program.kill()));
  await vi.waitFor(
    async () => {
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("hello from HTTP\n");
    },
    { ...WAIT, timeout: 20_000 },
  );
  const ann = openClient(port, "/ws?user=ann");
  await vi.waitFor(() => expect(ann.socket.readyState).toBe(WebSocket.OPEN), WAIT);
  ann.socket.send("hello");
  await vi.waitFor(() => expect(ann.texts).toEqual(["ann: hello"]), WAIT);
  expect(program.output).toBe("");
});

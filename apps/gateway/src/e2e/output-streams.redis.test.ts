import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CmSocket } from "@cm/gateway-kit/clients/cm-socket";
import { eventually, freePort, freshPrefix, startRedis } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";
import WebSocket from "ws";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** Warnings of Node.js itself, which a gateway cannot control. */
const NODE_WARNS = /^\(node:\d+\) |^\(Use `node /;

it.each(["uws", "ws"])(
  "a gateway of %s writes nothing but log lines to standard output, whatever happens to it, and nothing but Node's warnings to standard error",
  {
    timeout: 60_000,
  },
  async (transport) => {
    const redis = await startRedis();
    onTestFinished(() => redis.close());
    const folder = await mkdtemp(join(tmpdir(), "cm-output-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const warning = join(folder, "warning.cjs");
    await writeFile(
      warning,
      "setImmediate(() => process.emitWarning('of a test', 'DeprecationWarning', 'DEP_TEST'));\n",
    );
    const port = await freePort();
    const env = {
      PATH: process.env.PATH ?? "",
      NODE_OPTIONS: `--require ${warning}`,
      PORT: String(port),
      TRANSPORT: transport,
      REDIS_URL: redis.url,
      REDIS_PREFIX: freshPrefix(),
      DRAIN_SECONDS: "0",
      // An unknown variable: the warning about it must also go to the log only.
      MAX_CONECTIONS: "1",
    };
    const child = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    const [stdout, stderr] = [textOf(child, "stdout"), textOf(child, "stderr")];
    const readiness = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;
    await eventually(async () => expect(await readiness()).toBe(200), { timeoutMs: 20_000 });

    const wsUrl = `ws://127.0.0.1:${port}/ws`;
    const ada = await CmSocket.open(wsUrl, "ada");
    await ada.do({ type: "join", room: "hall" });
    await sendGarbage(port, wsUrl);
    await redis.kill();
    await eventually(async () => expect(await readiness()).toBe(503));
    expect(await ada.ask({ type: "publish", room: "hall", data: 1 })).toMatchObject({ type: "error" });
    await redis.restart();
    await eventually(async () => expect(await readiness()).toBe(200), { timeoutMs: 20_000 });
    const exited = once(child, "close");
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);

    const lines = stdout().split("\n");
    expect(lines.pop()).toBe("");
    for (const line of lines) {
      expect(line).toMatch(/^\{.*\}$/);
      expect(JSON.parse(line)).toMatchObject({
        level: expect.any(Number),
        time: expect.any(Number),
        serverId: expect.any(String),
        msg: expect.any(String),
      });
    }
    const said = lines.join("\n");
    // The events of this test were logged.
    for (const what of ["MAX_CONECTIONS", '"listening; ', '"asked to stop"', '"closed"']) expect(said).toContain(what);
    const errors = stderr()
      .split("\n")
      .filter((line) => line !== "");
    expect(errors.filter((line) => !NODE_WARNS.test(line))).toEqual([]);
    expect(errors.join("\n")).toContain("[DEP_TEST] DeprecationWarning: of a test");
  },
);

function textOf(child: ChildProcess, stream: "stdout" | "stderr"): () => string {
  let text = "";
  child[stream]?.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  return () => text;
}

/** Sends bytes that are not valid frames, WebSocket upgrades or HTTP requests. */
async function sendGarbage(port: number, wsUrl: string): Promise<void> {
  for (const bytes of ["\0\xff\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]) {
    const socket = connect(port, "127.0.0.1", () => socket.end(bytes));
    socket.on("error", () => undefined).resume();
    await once(socket, "close");
  }
  for (const frame of ["{", '{"type":"no such"}', Buffer.alloc(64), "x".repeat(200_000)]) {
    const socket = new WebSocket(`${wsUrl}?user=eve`, "cm.v1");
    let answers = 0;
    let isClosed = false;
    socket.on("message", () => answers++);
    socket.on("close", () => {
      isClosed = true;
    });
    socket.on("error", () => undefined);
    await once(socket, "open");
    socket.send('{"type":"hello","version":1}');
    socket.send(frame);
    // The client receives its welcome and an error, or is disconnected.
    await eventually(() => expect(isClosed || answers >= 2).toBe(true));
    socket.terminate();
  }
}

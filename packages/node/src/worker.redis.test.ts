import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eventually, freshPrefix } from "@cm/test-kit";
import { expect, inject, it, onTestFinished } from "vitest";
import { createNode } from "./composed-node.js";

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

/** Starts a server with ann in the lobby, and records the messages that arrive for that room. */
async function serverWithAnn(redisUrl: string, prefix: string) {
  const heard: string[] = [];
  const server = createNode({
    redisUrl,
    prefix,
    local: {
      toRoom: (room, frame) => heard.push(`${room}: ${new TextDecoder().decode(frame)}`),
      toConnection: () => true,
      toUser: () => 1,
    },
  });
  onTestFinished(() => server.close());
  await server.start();
  const connectionId = server.membership.nextConnectionId();
  await server.membership.open({ connectionId, userId: "ann" });
  await server.membership.join(connectionId, "lobby");
  return { server, heard, connectionId };
}

it("the worker of the README publishes and says who is online, and leaves nothing behind", async () => {
  const [redisUrl, prefix] = [inject("redisUrl"), freshPrefix()];
  const { server, heard } = await serverWithAnn(redisUrl, prefix);
  const readme = await readFile(`${PACKAGE}README.md`, "utf8");
  const [, code = ""] = /^```js\n(.*?)^```$/ms.exec(readme) ?? [];
  // The folder must be inside the package, so that the program can import the package by its name.
  const folder = await mkdtemp(`${PACKAGE}.readme-`);
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(`${folder}/worker.mjs`, code.replace("{ redisUrl:", `{ prefix: "${prefix}", redisUrl:`));
  const env = { PATH: process.env.PATH ?? "", REDIS_URL: redisUrl };
  const { stdout, stderr } = await run(process.execPath, [`${folder}/worker.mjs`], { env, timeout: 20_000 });
  expect(stderr).toBe("");
  expect(stdout).toBe("ann is online\n");
  await eventually(() => expect(heard).toEqual(['lobby: {"type":"news","text":"hello"}']));
  expect((await server.store.servers.snapshot()).living.map(({ serverId }) => serverId)).toEqual([server.serverId]);
});

it("a worker without a lease gets answers from a server over Redis", async () => {
  const [redisUrl, prefix] = [inject("redisUrl"), freshPrefix()];
  const { connectionId } = await serverWithAnn(redisUrl, prefix);
  await using worker = createNode({ redisUrl, prefix });
  await worker.start();
  expect(worker.readiness()).toMatchObject({ ready: true, lease: "none", link: "in-sync" });
  const frame = new TextEncoder().encode("hi");
  expect(await worker.router.toConnection(connectionId, frame, { confirmMs: 5_000 })).toBe("delivered");
  expect(await worker.router.toUser("bob", frame)).toBe("not-found");
  expect((await worker.presence.online({ limit: 10 })).items.map(({ userId }) => userId)).toEqual(["ann"]);
});

import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { channelsUnder, eventually, freshPrefix, startFaultProxy, startManagedProcess } from "@cm/test-kit";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import WebSocket from "ws";

const run = promisify(execFile);
const HERE = fileURLToPath(new URL("..", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../../examples", import.meta.url));
const DOCS = fileURLToPath(new URL("../../../docs", import.meta.url));

/** Runs a program and resolves with its output. What it writes to stderr must match `warning`, by default nothing. */
async function output(file: string, env: Record<string, string> = {}, warning = /^$/): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, [file], {
    cwd: HERE,
    timeout: 20_000,
    env: { PATH: process.env.PATH ?? "", ...env },
  });
  expect(stderr).toMatch(warning);
  return stdout;
}

const OUTPUTS = {
  "01-rooms-for-ws": ["bob heard: hello from the other process"],
  "02-uws-alone": [
    "welcome ann",
    "welcome bob",
    "bob heard: ann: hello",
    "without a name: Unexpected server response: 401",
  ],
  "03-registry-alone": [
    "in the lobby: ann, ann, bob",
    "ann's devices: 2",
    "users online: 2",
    "after tokyo closed: 1 in the lobby",
    "living servers: berlin",
  ],
  "04-direct-to-the-store": ["first: leads, token drawn", "second: server-id-taken", "heard: live at once"],
  "05-presence-for-ws": [
    "bob hears: ann is offline",
    "bob hears: ann is online, here",
    "bob hears: ann is online, writing",
    "the room: ann, bob",
    "bob hears: ann is offline, was here just now",
  ],
  "06-games": [
    "tokyo hears: player-joined of ann, from berlin",
    "tokyo hears: game-move of ann, from berlin",
    "active: ann against bob, watched by eve",
    "online: 3, games: 1, connections: 3",
    "tokyo hears: player-left of ann, from berlin",
    "still playing: bob",
  ],
  "07-distributed-with-ws": [
    'bob heard: {"type":"chat","from":"ann","text":"hello from the other server"}',
    'a direct message was delivered: {"type":"turn"}',
    "2 connections on 2 servers, 1 of them here",
    "bob was told: user-disconnected ann",
    "eve was closed with 1008",
  ],
  "08-distributed-with-uws": [
    'bob heard: {"type":"chat","from":"ann","text":"hello"}',
    "to all devices of bob: sent",
    "without a name: closed with 1008",
    "ann was cut as a slow reader; 0 connections are left here",
  ],
  "09-embedded-gateway": [
    'bob receives {"type":"error","code":"unauthorized","message":"Only staff.","retryable":false,"ref":"join"}',
    'ann receives {"type":"ack","ref":"join"}',
    'ann says in staff: "hello"',
    ',"user":"ann"},"data":"hello"}',
    "without a session: Error: Unexpected server response: 401",
    'without a name: 400 {"code":"name-invalid"',
  ],
  "10-presence-in-fastify": [
    'before: {"userId":"ann","status":"offline"}',
    'while connected: {"userId":"ann","status":"online"}',
    'everybody: {"users":["ann"]}',
    'afterwards: {"userId":"ann","status":"offline"}',
    'a wrong cursor: {"code":"options-invalid"',
  ],
  "11-worker": [
    "ann is online, bob is offline",
    "in the lobby: 1",
    "ann is there, on server-1",
    'lobby gets {"type":"news","text":"hello"}',
  ],
  "12-own-bus": ["berlin heard in lobby: hello", "tokyo heard in lobby: hello"],
  "13-router-without-websockets": [": you are in", "data: hello", "a room with a long name: 400"],
  "14-browser-bundle": ["the bundle has less than 64 KiB: true", "a join: join", "a room without a name: name-invalid"],
  "15-own-store": ["in the lobby: ann, bob", "after tokyo closed: 1 in the lobby", "left in the hub: 0"],
  "16-rooms-and-presence-for-ws": [
    "bob heard ann: hello from the other process",
    '{"members":["ann","bob"],"online":["ann","bob"]}',
    "in the lobby: 2\nann is online\n",
    "bob heard the worker: hello",
    '{"members":["bob"],"online":["bob"]}, ',
  ],
  "17-remote-store": [
    "berlin heard: hello",
    "in the lobby: ann on tokyo, bob on berlin",
    "after tokyo closed: 1 in the lobby",
  ],
  "18-own-client": ["ann got: said while bob was away", "bob got: said while bob was away"],
};

/** Examples that the contract suites test, with the minimum number of tests. The rehearsal also tests example 17. */
const PROVEN = { "12-own-bus": 12, "15-own-store": 190, "18-own-client": 31 };

/**
 * Examples that run in only one environment here: some do not use Redis, and the others need it or start several
 * processes.
 */
const ONCE = new Map([
  ["01-rooms-for-ws", "redis"],
  ["09-embedded-gateway", "redis"],
  ["10-presence-in-fastify", "redis"],
  ["12-own-bus", "memory"],
  ["13-router-without-websockets", "memory"],
  ["14-browser-bundle", "memory"],
  ["15-own-store", "memory"],
  ["16-rooms-and-presence-for-ws", "redis"],
  ["17-remote-store", "memory"],
  ["18-own-client", "memory"],
]);

describe("the examples", () => {
  it("are all here", async () => {
    const folders = await readdir(EXAMPLES);
    expect(folders.filter((name) => /^\d/.test(name)).sort()).toEqual(Object.keys(OUTPUTS));
  });

  it.each(Object.entries(OUTPUTS))("%s does what it says, in memory and on Redis", async (name, lines) => {
    const environments: [string, Record<string, string>][] = [
      ["memory", {}],
      // Let silence end leases sooner, for the example that kills a process.
      ["redis", { REDIS_URL: inject("redisUrl"), REDIS_PREFIX: freshPrefix(), DEAD_AFTER_MS: "500" }],
    ];
    for (const [where, env] of environments) {
      if ((ONCE.get(name) ?? where) !== where) continue;
      const printed = await output(
        `${EXAMPLES}/${name}/dist/main.js`,
        env,
        where === "memory" ? /^$|in the memory/ : /^$/,
      );
      for (const line of lines) expect(printed).toContain(line);
    }
  });

  it.each(Object.entries(PROVEN))("%s passes the suites of the contracts, by its own npm test", async (name, least) => {
    const { stdout } = await run("npm", ["test"], {
      cwd: `${EXAMPLES}/${name}`,
      env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", NO_COLOR: "1" },
    });
    const [, passed = "0"] = /Tests\s+(\d+) passed/.exec(stdout) ?? [];
    expect(Number(passed)).toBeGreaterThanOrEqual(least);
    // No test is skipped.
    expect(stdout).not.toMatch(/failed|skipped/);
  });
});

describe("the server of 01-rooms-for-ws", () => {
  it("unsubscribes from a room whose only client left before the room was entered", async () => {
    const redisUrl = new URL(inject("redisUrl"));
    const prefix = freshPrefix();
    const rooms = async () =>
      (await channelsUnder(redisUrl.href, prefix)).filter((channel) => channel.endsWith("/lobby"));
    const proxy = await startFaultProxy(Number(redisUrl.port));
    onTestFinished(() => proxy.close());
    let listening: (line: string) => void = () => undefined;
    const started = new Promise<string>((resolve) => {
      listening = resolve;
    });
    const server = startManagedProcess({
      command: process.execPath,
      args: [`${EXAMPLES}/01-rooms-for-ws/dist/server.js`],
      env: {
        PATH: process.env.PATH ?? "",
        REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
        REDIS_PREFIX: prefix,
        PORT: "0",
      },
      onLine: (line) => listening(line),
    });
    onTestFinished(async () => void (await server.kill()));
    const port = (await started).replace("listening on ", "");
    // Redis subscribes the server, whose `enter` resolves only when the client has left.
    await proxy.set({ kind: "hang", drop: "to-client" });
    const client = new WebSocket(`ws://127.0.0.1:${port}/lobby`);
    await once(client, "open");
    await eventually(async () => expect(await rooms()).toHaveLength(1));
    client.close();
    await once(client, "close");
    await proxy.set({ kind: "pass" });
    // The router unsubscribes five seconds after the last member has left.
    await eventually(async () => expect(await rooms()).toEqual([]), { timeoutMs: 15_000 });
  });
});

describe("the README of the connection manager", () => {
  it("has code that runs, found through the environment", async () => {
    const readme = fileURLToPath(new URL("../../../packages/connection-manager/README.md", import.meta.url));
    const [, code = ""] = /^```js\n(.*?)^```$/ms.exec(await readFile(readme, "utf8")) ?? [];
    const folder = await mkdtemp(`${HERE}/.readme-`);
    try {
      await writeFile(`${folder}/games.mjs`, code);
      const runs: [Record<string, string>, RegExp?][] = [
        [{}, /in the memory of this process/],
        [{ REDIS_URL: inject("redisUrl") }],
      ];
      for (const [env, warning] of runs) {
        const printed = await output(`${folder}/games.mjs`, env, warning);
        for (const line of ["player-joined ann", "game-move ann", "[ 'ann' ]"]) expect(printed).toContain(line);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("the programs of the documentation", () => {
  it.each([
    ["start/gateway.md", {}, [/ann is gw-[a-z0-9]{6}\.[a-z0-9]+\nann in lobby: hello\n/]],
    [
      "guides/resume.md",
      { RECOVERABLE_ROOMS: "chat:" },
      [/^ann heard \[ 'one' \]\nrecovered: true\nann heard \[ 'two', 'three' \]\n$/],
    ],
  ] as const)("those of %s run against a gateway", async (page, env, expected) => {
    const text = await readFile(`${DOCS}/${page}`, "utf8");
    const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = ""]) => code);
    expect(blocks).toHaveLength(expected.length);
    const gateway: GatewayProcess = await startGatewayProcess({ env });
    // The programs are inside this package, so that Node.js finds the packages that they import.
    const folder = await mkdtemp(`${HERE}/.readme-`);
    try {
      for (const [index, code] of blocks.entries()) {
        const file = `${folder}/${index}.mjs`;
        await writeFile(file, code.replaceAll("localhost:3000", `127.0.0.1:${gateway.port}`));
        expect(await output(file)).toMatch(expected[index] ?? /nothing/);
      }
    } finally {
      await rm(folder, { recursive: true });
      await gateway.stop();
    }
  });
});

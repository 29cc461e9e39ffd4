import { readFile } from "node:fs/promises";
import { createTokenVerifier } from "@cm/auth";
import { createMembership } from "@cm/membership";
import { createMemoryHub, createMemoryStore } from "@cm/memory-store";
import { createNode } from "@cm/node";
import { createPresence } from "@cm/presence";
import { createConnectionIdSource, isCmError } from "@cm/protocol";
import { createRedisStore } from "@cm/redis-store";
import { createRouter } from "@cm/router";
import { createUwsServer } from "@cm/server-uws";
import { createLocalConnectionManager, createWsServer } from "@cm/server-ws";
import { expect, it } from "vitest";
import { readGatewayConfig } from "../config/config-reader.js";
import { createGateway } from "../index.js";

const ROOT = new URL("../../../../", import.meta.url);

/** The names of options in the tables of a README, which are generated from the interfaces. */
async function documented(folder: string): Promise<string[]> {
  const readme = await readFile(new URL(`${folder}/README.md`, ROOT), "utf8");
  const tables = [...readme.matchAll(/<!-- generated: options .*?-->(.*?)<!-- generated: end -->/gs)];
  return tables.flatMap(([, table = ""]) => [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name = ""]) => name));
}

const store = createMemoryStore();
const local = { toRoom: () => undefined, toConnection: () => false, toUser: () => 0 };
const transport = {
  port: 0,
  onError: () => undefined,
  authenticate: () => ({ userId: "ann", data: undefined }),
  nextConnectionId: () => "one.1",
  handler: { open: () => undefined, frame: () => undefined, binary: () => undefined, closed: () => undefined },
};
const membership = {
  ids: createConnectionIdSource({ serverId: "a" }),
  store,
  interest: { enter: async () => undefined, exit: () => undefined },
};

/** A factory, valid options for it, and the names of its options. Some calls pass values of other types than declared. */
type Row = [make: (options: never) => unknown, valid: object, names: () => Promise<string[]>];

const FACTORIES: Readonly<Record<string, Row>> = {
  createTokenVerifier: [createTokenVerifier, { secret: "x".repeat(32) }, () => documented("packages/auth")],
  createMembership: [createMembership, membership, () => documented("packages/membership")],
  createMemoryStore: [createMemoryStore, {}, () => documented("packages/memory-store")],
  createMemoryHub: [createMemoryHub, {}, async () => ["now"]],
  createNode: [
    createNode,
    { local },
    async () =>
      (await Promise.all(["node", "router", "membership"].map((each) => documented(`packages/${each}`)))).flat(),
  ],
  createPresence: [createPresence, store, () => documented("packages/presence")],
  createConnectionIdSource: [createConnectionIdSource, { serverId: "a" }, () => documented("packages/protocol")],
  createRedisStore: [createRedisStore, { url: "redis://127.0.0.1" }, () => documented("packages/redis-store")],
  createRouter: [createRouter, { serverId: "a", store, local }, () => documented("packages/router")],
  createUwsServer: [createUwsServer, transport, () => documented("packages/server-uws")],
  createWsServer: [createWsServer, transport, () => documented("packages/server-ws")],
  createLocalConnectionManager: [
    createLocalConnectionManager,
    {},
    async () => ["maxConnections", "maxBackpressureBytes", "onError"],
  ],
  createGateway: [
    createGateway,
    { port: 0, authenticate: () => ({ userId: "ann" }) },
    async () => [...(await documented("apps/gateway")), ...Object.keys(readGatewayConfig({}))],
  ],
};

it.each(Object.entries(FACTORIES))("%s refuses null for each of its options", async (_, [make, valid, names]) => {
  const fields = await names();
  expect(fields).not.toEqual([]);
  const accepted = fields.filter((field) => {
    try {
      // Also passes null where the type does not permit it, as a program without type checks may do.
      make(Object.assign(Object.create(null), valid, { [field]: null }) as never);
      return true;
    } catch (error) {
      return !(isCmError(error) && error.code === "options-invalid" && error.details?.field === field);
    }
  });
  expect(accepted).toEqual([]);
});

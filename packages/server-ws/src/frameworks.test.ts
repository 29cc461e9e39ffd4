import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { bytes, openClient, testOptions, WAIT } from "@cm/contract-tests/transport";
import { serve } from "@hono/node-server";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { expect, it, onTestFinished, vi } from "vitest";
import { WebSocket } from "ws";
import type { NodeServer } from "./options.js";
import { createWsServer } from "./server.js";

interface Application {
  readonly server: NodeServer;
  /** Listens on a free loopback port, unless the framework listens already. */
  listen(): Promise<unknown>;
}

/** Creates an application of each framework with one route, in the way that the README describes for attaching. */
const FRAMEWORKS: Record<string, () => Application> = {
  express() {
    const app = express();
    app.get("/hello", (_, response) => void response.send("hello"));
    const server = createServer(app);
    return { server, listen: () => once(server.listen(0, "127.0.0.1"), "listening") };
  },
  fastify() {
    const app = Fastify();
    app.get("/hello", () => "hello");
    return { server: app.server, listen: () => app.listen({ port: 0, host: "127.0.0.1" }) };
  },
  hono() {
    const app = new Hono();
    app.get("/hello", (context) => context.text("hello"));
    // Without the option `createServer`, `serve` returns an HTTP/1 server. Its return type includes HTTP/2 servers.
    const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }) as Server;
    return { server, listen: async () => server.listening || once(server, "listening") };
  },
};

it.each(Object.entries(FRAMEWORKS))("%s and WebSockets share a port", async (_, create) => {
  const { server: http, listen } = create();
  onTestFinished(() => void http.close());
  const { port: __, ...options } = testOptions().options;
  const server = createWsServer({ ...options, server: http });
  onTestFinished(() => server.close());
  await server.start();
  await listen();
  const address = http.address();
  if (typeof address !== "object" || address === null) throw new Error("The server has no port.");
  const client = openClient(address.port, "/ws");
  await vi.waitFor(() => expect(client.socket.readyState).toBe(WebSocket.OPEN), WAIT);
  expect(server.toUser("anyone", bytes("hello"))).toBe(1);
  await vi.waitFor(() => expect(client.texts).toEqual(["hello"]), WAIT);
  const hello = async (): Promise<string> => (await fetch(`http://127.0.0.1:${address.port}/hello`)).text();
  expect(await hello()).toBe("hello");
  await server.close();
  await vi.waitFor(() => expect(client.closes).toEqual([{ code: 4201, reason: "going-away" }]), WAIT);
  expect(await hello()).toBe("hello");
});

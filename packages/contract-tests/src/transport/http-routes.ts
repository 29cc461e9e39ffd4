import { once } from "node:events";
import { connect } from "node:net";
import { CmError } from "@cm/protocol";
import type { HttpReply, RouteRequest } from "@cm/transport";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type CreateTransport, serverStarter, WAIT } from "./transport-harness.js";

export function describeHttpRoutes(createTransport: CreateTransport): void {
  const startServer = serverStarter(createTransport);

  describe("plain HTTP", () => {
    it("answers a route with what its handler gives, at once or later", async () => {
      const seen: RouteRequest[] = [];
      const { port } = await startServer({
        routes: {
          "/now": (request) => {
            seen.push(request);
            return { status: 200, headers: { "Content-Type": "text/plain", "X-A": "b" }, body: "é" };
          },
          "/later": async () => ({ status: 503, body: new Uint8Array([1, 2, 3]) }),
          "/empty": () => ({ status: 204 }),
        },
      });
      const base = `http://127.0.0.1:${port}`;
      const now = await fetch(`${base}/now?a=1&b`, { headers: { "X-Token": "t" } });
      expect([now.status, now.headers.get("x-a"), await now.text()]).toEqual([200, "b", "é"]);
      expect(seen).toMatchObject([
        { method: "GET", path: "/now", query: "a=1&b", remoteAddress: "127.0.0.1", headers: { "x-token": "t" } },
      ]);
      const later = await fetch(`${base}/later`);
      expect([later.status, new Uint8Array(await later.arrayBuffer())]).toEqual([503, new Uint8Array([1, 2, 3])]);
      expect((await fetch(`${base}/empty`)).status).toBe(204);
    });

    it("waits for anything with a then, not for native promises only", async () => {
      const reply: HttpReply = { status: 200, body: "later" };
      const { port, errors } = await startServer({
        routes: {
          // biome-ignore lint/suspicious/noThenProperty: a foreign promise is what this is about
          "/x": () => ({ then: (done: (value: HttpReply) => void) => done(reply) }) as Promise<HttpReply>,
        },
      });
      const answer = await fetch(`http://127.0.0.1:${port}/x`);
      expect([answer.status, await answer.text()]).toEqual([200, "later"]);
      expect(errors).toEqual([]);
    });

    it("answers HEAD with the length and no body", async () => {
      const { port } = await startServer({ routes: { "/x": ({ method }) => ({ status: 200, body: `é ${method}` }) } });
      const answer = await fetch(`http://127.0.0.1:${port}/x`, { method: "HEAD" });
      expect([answer.status, answer.headers.get("content-length"), await answer.text()]).toEqual([200, "7", ""]);
    });

    it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("refuses %s, also with a body", async (method) => {
      const { port } = await startServer({ routes: { "/x": () => ({ status: 200 }) } });
      const body = method === "OPTIONS" ? null : "x".repeat(100_000);
      const answer = await fetch(`http://127.0.0.1:${port}/x`, { method, body });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
      expect(await answer.json()).toMatchObject({ code: "operation-unknown" });
    });

    it("reads a bounded body for a route that takes one", async () => {
      const { port, errors } = await startServer({
        routes: {
          "/x": () => ({ status: 200, body: "got" }),
          "POST /x": {
            maxBodyBytes: 100_000,
            answer: ({ method, body }) => ({ status: 201, body: `${method} ${body.length} ${body.at(-1)}` }),
          },
          "DELETE /x": () => {
            throw new CmError("not-found", "There is no such thing.");
          },
        },
      });
      const url = `http://127.0.0.1:${port}/x`;
      const post = (body: string | ReadableStream) =>
        fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);
      const taken = await post("y".repeat(100_000));
      expect([taken.status, await taken.text()]).toEqual([201, "POST 100000 121"]);
      expect(await (await post("")).text()).toBe("POST 0 undefined");
      expect(await (await fetch(url)).text()).toBe("got");
      const large = await post("y".repeat(100_001));
      expect([large.status, large.headers.get("content-type")]).toEqual([413, "application/problem+json"]);
      // This body is chunked, without a length.
      expect(await (await post(new Blob(["y".repeat(70_000)]).stream())).text()).toBe("POST 70000 121");
      const endless = await post(new Blob(["y".repeat(150_000)]).stream());
      expect(endless.status).toBe(413);
      const missing = await fetch(url, { method: "DELETE" });
      expect([missing.status, missing.headers.get("x-content-type-options")]).toEqual([404, "nosniff"]);
      expect(await missing.json()).toEqual({
        code: "not-found",
        status: 404,
        title: "Not Found",
        detail: "There is no such thing.",
      });
      const other = await fetch(url, { method: "PUT" });
      expect([other.status, other.headers.get("allow")]).toEqual([405, "GET, HEAD, POST, DELETE"]);
      expect(errors).toEqual([]);
    });

    it("reads a body of at most 64 KiB if the route names no limit", async () => {
      const answer = ({ body }: RouteRequest): HttpReply => ({ status: 200, body: String(body.length) });
      const { port } = await startServer({ routes: { "POST /x": answer, "PUT /x": { answer } } });
      const send = (method: string, bytes: number) =>
        fetch(`http://127.0.0.1:${port}/x`, { method, body: "y".repeat(bytes) });
      for (const method of ["POST", "PUT"]) {
        expect(await (await send(method, 65_536)).text()).toBe("65536");
        expect((await send(method, 65_537)).status).toBe(413);
      }
    });

    it.each(["/", "/y", "/x/", "/X", "/constructor", "/ws/"])("has no route at %s", async (path) => {
      const { port } = await startServer({ routes: { "/x": () => ({ status: 200 }) } });
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ code: "not-found" });
    });

    it.each<[string, () => HttpReply | Promise<HttpReply>]>([
      [
        "throws",
        () => {
          throw new Error("password=hunter2");
        },
      ],
      ["rejects", () => Promise.reject(new Error("password=hunter2"))],
      ["gives a header with a line break", () => ({ status: 200, headers: { "X-A": "b\r\nSet-Cookie: hunter2" } })],
      ["gives a header name with a space", () => ({ status: 200, headers: { "X A": "hunter2" } })],
      ["gives a status that is none", () => ({ status: 42, body: "hunter2" })],
      // Values that plain JavaScript may pass.
      ["gives nothing", () => undefined as unknown as HttpReply],
      ["gives a body that is none", () => ({ status: 200, body: { hunter: 2 } as unknown as string })],
    ])("turns a route that %s into a 500 without details", async (_, route) => {
      const { port, errors } = await startServer({ routes: { "/x": route } });
      const answer = await fetch(`http://127.0.0.1:${port}/x`);
      expect(answer.status).toBe(500);
      const text = await answer.text();
      expect(JSON.parse(text)).toMatchObject({ code: "internal" });
      expect(text).not.toContain("hunter2");
      expect(errors).toMatchObject([
        { stage: "handler", error: { code: "internal", details: { route: "GET /x" }, cause: expect.any(Error) } },
      ]);
    });

    it("leaves a response alone whose client went away", async () => {
      let answer: (reply: HttpReply) => void = () => undefined;
      const reply = new Promise<HttpReply>((resolve) => {
        answer = resolve;
      });
      let asked = false;
      const { port, errors } = await startServer({
        routes: {
          "/slow": () => {
            asked = true;
            return reply;
          },
          "/x": () => ({ status: 200, body: "x" }),
        },
      });
      const controller = new AbortController();
      const request = fetch(`http://127.0.0.1:${port}/slow`, { signal: controller.signal });
      await vi.waitFor(() => expect(asked).toBe(true), WAIT);
      controller.abort();
      await expect(request).rejects.toThrow();
      // After this round trip, the server knows that the client has disconnected.
      expect((await fetch(`http://127.0.0.1:${port}/x`)).status).toBe(200);
      answer({ status: 200, body: "too late" });
      await reply;
      expect((await fetch(`http://127.0.0.1:${port}/x`)).status).toBe(200);
      expect(errors).toEqual([]);
    });

    it("does not keep the answers for a client that asks again and again and does not read", async () => {
      const body = "x".repeat(100_000);
      let answered = 0;
      const { port } = await startServer({
        routes: {
          "/x": () => {
            answered += 1;
            return { status: 200, body };
          },
          "/other": () => ({ status: 200 }),
        },
      });
      const socket = connect({ port, host: "127.0.0.1" });
      onTestFinished(() => void socket.destroy());
      await once(socket, "connect");
      // The server may end the connection.
      socket.on("error", () => undefined).pause();
      socket.write("GET /x HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4_000));
      await vi.waitFor(() => expect(answered).toBeGreaterThan(0), WAIT);
      for (let before = 0; before !== answered; ) {
        before = answered;
        expect((await fetch(`http://127.0.0.1:${port}/other`)).status).toBe(200);
      }
      // The buffers of the system hold some megabytes.
      expect(answered * body.length).toBeLessThan(64 * 1024 * 1024);
    });

    it("sends a large body to a client that reads late, whole and in order", async () => {
      const body = Buffer.alloc(16 * 1024 * 1024, "0123456789");
      const { port } = await startServer({ routes: { "/x": () => ({ status: 200, body }) } });
      const socket = connect({ port, host: "127.0.0.1" });
      onTestFinished(() => void socket.destroy());
      await once(socket, "connect");
      const chunks: Buffer[] = [];
      socket.on("data", (chunk) => chunks.push(chunk)).pause();
      const ended = once(socket, "close");
      socket.write("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      expect((await fetch(`http://127.0.0.1:${port}/missing`)).status).toBe(404);
      socket.resume();
      await ended;
      const received = Buffer.concat(chunks);
      expect(received.subarray(received.indexOf("\r\n\r\n") + 4).equals(body)).toBe(true);
    });
  });
}

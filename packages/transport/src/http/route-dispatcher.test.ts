import { expect, it } from "vitest";
import type { HttpReply, WriteOptions } from "./http-reply.js";
import { RouteDispatcher } from "./route-dispatcher.js";
import { routeTableOf } from "./route-table.js";

/** Handles a request of which no byte of the body has been read. Returns what was written. */
function replyTo(method: string, path: string, bodyBytes: number): readonly [HttpReply, WriteOptions | undefined][] {
  const table = routeTableOf({ "/x": () => ({ status: 200 }), "POST /x": () => ({ status: 201 }) });
  const dispatcher = new RouteDispatcher(table, () => undefined);
  const written: [HttpReply, WriteOptions | undefined][] = [];
  const headers = { "content-length": String(bodyBytes) };
  dispatcher.handle(
    { write: (reply, options) => written.push([reply, options]), read: () => undefined },
    { facts: { path, query: "", headers, remoteAddress: "" }, method, headBytes: 100, isAmbiguous: false },
  );
  return written;
}

it.each([
  ["POST", "/y", 404],
  ["PUT", "/x", 405],
  ["POST", "/x", 413],
])("a refused %s %s closes the connection, because its body is left unread", (method, path, status) => {
  expect(replyTo(method, path, 1_000_000)).toMatchObject([[{ status }, { closeConnection: true }]]);
});

it("a request that a route answers leaves the connection open for the next one", () => {
  const [[reply, options] = []] = replyTo("GET", "/x", 0);
  expect(reply?.status).toBe(200);
  expect(options?.closeConnection ?? false).toBe(false);
});

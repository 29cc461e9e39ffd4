import { expect, it } from "vitest";
import { replyFault } from "./http-reply.js";

it.each([200, 204, 599])("a route may reply with status %i", (status) => {
  expect(replyFault({ status })).toBeUndefined();
});

it.each([100, 199, 600, 200.5, Number.NaN])("a route can't reply with status %d", (status) => {
  expect(replyFault({ status })).toContain("status");
});

import { CmError } from "@cm/protocol";
import { expect, it } from "vitest";
import { problemOf, refusalOf, replyFault } from "./http-reply.js";

it.each([200, 204, 599])("a route may reply with status %i", (status) => {
  expect(replyFault({ status })).toBeUndefined();
});

it.each([100, 199, 600, 200.5, Number.NaN])("a route can't reply with status %d", (status) => {
  expect(replyFault({ status })).toContain("status");
});

it.each([
  ["unauthorized", 401],
  ["forbidden", 403],
  ["connections-limit", 429],
  ["rate-limited", 429],
  ["capacity-reached", 503],
] as const)("the error %s becomes status %i for a route and for an upgrade", (code, status) => {
  const error = new CmError(code, "No.");
  expect([problemOf(error).status, refusalOf(error).status]).toEqual([status, status]);
});

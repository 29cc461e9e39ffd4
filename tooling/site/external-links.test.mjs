import { expect, it } from "vitest";
import { externalLinkFault } from "./external-links.mjs";

it.each([
  ["https://redis.io/docs/latest/commands/spublish/"],
  ["https://www.npmjs.com/package/@cm/gateway"],
  ["https://datatracker.ietf.org/doc/html/rfc6455#section-7.4"],
  ["https://en.wikipedia.org/wiki/Raft_%28algorithm%29"],
])("%s is a link that a page may have", (href) => {
  expect(externalLinkFault(href)).toBeUndefined();
});

it.each([
  ["http://redis.io/docs", "is not https"],
  ["mailto:someone@redis.io", "is not https"],
  ["https://", "is no URL"],
  ["https://redis.io/docs.", "ends in punctuation"],
  ["https://redis.io/docs),", "ends in punctuation"],
  ["https://github.com/<owner>/cm", "has a placeholder in it"],
  ["https://github.com/%3Cowner%3E/cm", "has a placeholder in it"],
  ["https://github.com/{owner}/cm", "has a placeholder in it"],
  ["https://user:word@redis.io/", "names a user"],
  ["https://redis.io:8443/", "names a port"],
  ["https://127.0.0.1/", "names a machine"],
  ["https://[::1]/docs", "names a machine"],
  ["https://buildbox/docs", "names a machine"],
  ["https://localhost/", "names a machine"],
  ["https://example.com/docs", "names a host that stands for none"],
  ["https://git.example/cm", "names a host that stands for none"],
  ["https://wiki.internal/docs", "names a host that stands for none"],
  ["https://registry.npmjs.org/ws", "names a registry"],
])("%s %s", (href, fault) => {
  expect(externalLinkFault(href)).toBe(fault);
});

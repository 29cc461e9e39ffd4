import { expect, it } from "vitest";
import { TrustedProxies } from "./trusted-proxies.js";

const proxies = new TrustedProxies(["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"]);

it.each([
  ["a peer that is no proxy", { peer: "192.0.2.9", forwardedFor: "203.0.113.7" }, "192.0.2.9"],
  ["a proxy that says nothing", { peer: "10.0.0.1", forwardedFor: undefined }, "10.0.0.1"],
  ["a proxy's client", { peer: "10.0.0.1", forwardedFor: "203.0.113.7" }, "203.0.113.7"],
  ["a client that names another one", { peer: "10.0.0.1", forwardedFor: "192.0.2.1,203.0.113.7" }, "203.0.113.7"],
  ["a chain of proxies", { peer: "127.0.0.1", forwardedFor: "203.0.113.7, 2001:db8:1::5, 10.9.9.9" }, "203.0.113.7"],
  ["trusted proxies alone", { peer: "127.0.0.1", forwardedFor: "10.0.0.3, 10.0.0.2" }, "10.0.0.3"],
  ["what is no address", { peer: "127.0.0.1", forwardedFor: "203.0.113.7, unknown, 10.0.0.2" }, "10.0.0.2"],
  ["a port", { peer: "127.0.0.1", forwardedFor: "203.0.113.7:4711" }, "203.0.113.7"],
  ["IPv6 with a port", { peer: "127.0.0.1", forwardedFor: "[2001:DB8::0:1]:4711" }, "2001:db8::1"],
  ["a PROXY header", { peer: "10.0.0.1", proxied: () => "203.0.113.7", forwardedFor: "192.0.2.1" }, "203.0.113.7"],
  [
    "a PROXY header of a stranger",
    { peer: "192.0.2.9", proxied: () => "203.0.113.7", forwardedFor: undefined },
    "192.0.2.9",
  ],
  [
    "a PROXY header that names a proxy",
    { peer: "10.0.0.1", proxied: () => "10.0.0.2", forwardedFor: "203.0.113.7" },
    "203.0.113.7",
  ],
])("knows the client's address behind %s", (_, origin, client) => {
  expect(proxies.clientOf(origin)).toBe(client);
});

it.each([
  ["10.0.0.0/33"],
  ["proxy.example"],
  ["10.0.0.0/8/8"],
  ["10.0.0/8"],
  [""],
  ["2001:db8::/129"],
  ["10.0.0.0/-1"],
])("takes no %j", (entry) => {
  expect(() => new TrustedProxies(["127.0.0.1", entry])).toThrow("entry 2 is neither an address nor a subnet");
});

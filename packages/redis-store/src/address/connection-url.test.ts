import { isCmError } from "@cm/protocol";
import { expect, it } from "vitest";
import { parseConnectionUrl } from "./connection-url.js";

it("reads a node, with defaults for what is left out", () => {
  expect(parseConnectionUrl("redis://cache")).toEqual({
    kind: "node",
    addresses: [{ host: "cache", port: 6379 }],
    tls: false,
    username: undefined,
    password: undefined,
    db: 0,
    masterName: "",
    sentinelUsername: undefined,
    sentinelPassword: undefined,
    tlsFiles: {},
    serverName: undefined,
    natMap: {},
  });
  expect(parseConnectionUrl("rediss://us%40er:p%3Ass@cache.example:6380/3")).toMatchObject({
    addresses: [{ host: "cache.example", port: 6380 }],
    tls: true,
    username: "us@er",
    password: "p:ss",
    db: 3,
  });
  expect(parseConnectionUrl("redis://:secret@[::1]:7000")).toMatchObject({
    addresses: [{ host: "::1", port: 7000 }],
    username: undefined,
    password: "secret",
  });
});

it("reads a Cluster and Sentinels, with many addresses", () => {
  expect(parseConnectionUrl("redis+cluster://a:7000,b,[::1]:7002")).toMatchObject({
    kind: "cluster",
    addresses: [
      { host: "a", port: 7000 },
      { host: "b", port: 6379 },
      { host: "::1", port: 7002 },
    ],
  });
  expect(parseConnectionUrl("rediss+sentinel://:pw@a,b:5000/2?master=main")).toMatchObject({
    kind: "sentinel",
    tls: true,
    password: "pw",
    addresses: [
      { host: "a", port: 26379 },
      { host: "b", port: 5000 },
    ],
    db: 2,
    masterName: "main",
  });
});

it("reads the Sentinels' own credentials, TLS files and a Cluster's map of addresses", () => {
  expect(
    parseConnectionUrl("redis+sentinel://:r@a?master=main&sentinelUsername=watcher&sentinelPassword=a%26b+c%20"),
  ).toMatchObject({ password: "r", masterName: "main", sentinelUsername: "watcher", sentinelPassword: "a&b+c " });
  expect(parseConnectionUrl("rediss://a?ca=/etc/ca.pem&cert=/c&key=/k&servername=redis.example")).toMatchObject({
    tlsFiles: { ca: "/etc/ca.pem", cert: "/c", key: "/k" },
    serverName: "redis.example",
  });
  expect(parseConnectionUrl("redis+cluster://a?natMap=10.0.0.1:7000=1.2.3.4:17000,[::2]=b:7")).toMatchObject({
    natMap: { "10.0.0.1:7000": { host: "1.2.3.4", port: 17_000 }, "::2:6379": { host: "b", port: 7 } },
  });
});

it.each([
  "redis://a?ca=/x",
  "rediss://a?cert=/x",
  "rediss://a?ca=",
  "rediss://a?natMap=a=b",
  "redis+cluster://a?natMap=a",
  "redis+cluster://a?natMap=a=b=c",
  "redis+sentinel://a?master=main&sentinelPassword=%zz",
  "",
  "cache:6379",
  "http://cache",
  "redis://",
  "redis://a,b",
  "redis://a:0",
  "redis://a:65536",
  "redis://a:b",
  "redis://a/x",
  "redis://user@a",
  "redis://:%zz@a",
  "redis://a?master=main",
  "redis+cluster://a/1",
  "redis+cluster://a,,b",
  "redis+sentinel://a",
  "redis+sentinel://a?master=",
  "redis+sentinel://a?master=main&x=1",
  "redis+sentinel://a?master=main&master=other",
  "redis://a/65536",
  "redis://no such host",
  "redis://a..b",
  "redis://-a",
  "redis://256.0.0.1",
  "redis://[1.2.3.4]",
  "redis://[::1::2]",
  `redis://${"a".repeat(64)}`,
])("refuses %j, and keeps it out of the message", (url) => {
  const refusal = (() => {
    try {
      return parseConnectionUrl(url);
    } catch (error) {
      return error;
    }
  })();
  expect(isCmError(refusal) && refusal.code).toBe("options-invalid");
});

it.each([
  ["http://:hunter2@cache", /its scheme must be redis:\/\//],
  ["REDIS://cache", /its scheme must be redis:\/\//],
  ["cache:6379", /its scheme must be redis:\/\//],
  ["rediss://:hunter2@", /must name a host after rediss:\/\//],
  ["redis://:hunter2@cache/abc", /the database, .* whole number from 0 to 65535/],
  ["redis://cache/1/2", /the database, /],
  ["redis+sentinel://cache/main?master=main", /the database, /],
  ["redis://:hunter2@cache:abc/1", /the port must be a whole number from 1 to 65535/],
  ["redis://cache:123456", /the port must be/],
  ["redis://ann:hun/ter2@cache/1", /must be percent-encoded/],
  ["redis://ann:hun@ter2@cache/1", /must be percent-encoded/],
  ["redis+sentinel://cache?master=a\nb", /must be a single line/],
])("names the part of %j that is wrong, and what it must be", (url, problem) => {
  expect(() => parseConnectionUrl(url)).toThrow(
    expect.objectContaining({
      code: "options-invalid",
      message: expect.stringMatching(problem),
      details: { field: "url", problem: expect.not.stringMatching(/hunter2|ter2|abc/) },
    }),
  );
});

it.each([
  "redis://:hunter2@a,b",
  "redis://:hunter2@a b",
  "redis://:%zzhunter2@a",
  "redis://hunter2@a",
  "redis://part?hunter2@a",
  "redis://a?password=hunter2",
  "redis+sentinel://a?sentinelPassword=hunter2&sentinelPassword=hunter2&master=m",
  "redis+sentinel://a?sentinelPasword=hunter2&master=m",
  "redis://a/hunter2",
  "hunter2",
])("never repeats what may be a password, as in %j", (url) => {
  const refusal = (() => {
    try {
      return parseConnectionUrl(url);
    } catch (error) {
      return error;
    }
  })();
  expect(isCmError(refusal) && refusal.message).toMatch(/can't be used/);
  expect(isCmError(refusal) && `${refusal.message} ${JSON.stringify(refusal.details)}`).not.toContain("hunter2");
});

it.each(["my_cache", "redis.internal.", "a-b.c1", "1password.example", "127.0.0.1"])("takes the host %j", (host) => {
  expect(parseConnectionUrl(`redis://${host}`)).toMatchObject({ addresses: [{ host, port: 6379 }] });
});

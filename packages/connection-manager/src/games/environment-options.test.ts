import { describe, expect, it } from "vitest";
import { optionsFromEnvironment } from "./environment-options.js";

describe("options from the environment", () => {
  it.each([
    [{}, {}],
    [{ REDIS_URL: "", REDIS_HOST: " " }, {}],
    [{ HOME: "/", PORT: "1" }, {}],
    [{ REDIS_URL: "rediss://a:b@host:1/2" }, { redisUrl: "rediss://a:b@host:1/2" }],
    [{ REDIS_URL: "redis://one", REDIS_HOST: "two", REDIS_PORT: "x" }, { redisUrl: "redis://one" }],
    [{ REDIS_HOST: "cache" }, { redisUrl: "redis://cache:6379/0" }],
    [{ REDIS_HOST: "::1" }, { redisUrl: "redis://[::1]:6379/0" }],
    [{ REDIS_PORT: "tcp://10.0.0.11:6380" }, { redisUrl: "redis://10.0.0.11:6380/0" }],
    [{ REDIS_HOST: "cache", REDIS_PORT: "tcp://10.0.0.11:6380" }, { redisUrl: "redis://cache:6380/0" }],
    [{ REDIS_PASSWORD: " p w " }, { redisUrl: "redis://:%20p%20w%20@localhost:6379/0" }],
    [{ REDIS_PORT: "6380" }, { redisUrl: "redis://localhost:6380/0" }],
    [{ REDIS_DB: "3" }, { redisUrl: "redis://localhost:6379/3" }],
    [
      { REDIS_HOST: "cache", REDIS_PORT: "1", REDIS_PASSWORD: "p@ss:/?#w", REDIS_DB: "2" },
      { redisUrl: "redis://:p%40ss%3A%2F%3F%23w@cache:1/2" },
    ],
  ])("of %o are %o", (environment, options) => {
    expect(optionsFromEnvironment(environment)).toEqual(options);
  });

  it.each([
    [{ REDIS_PORT: "secret" }, "REDIS_PORT"],
    [{ REDIS_DB: "-1" }, "REDIS_DB"],
    [{ REDIS_DB: "1.5" }, "REDIS_DB"],
  ])("refuse %o, and don't repeat it", (environment, field) => {
    expect(() => optionsFromEnvironment(environment)).toThrow(
      expect.objectContaining({
        code: "options-invalid",
        message: `${field} must be a whole number.`,
        details: { field },
      }),
    );
  });
});

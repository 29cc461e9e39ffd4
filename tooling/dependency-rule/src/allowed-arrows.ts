/** May import every package: composition roots, tests, benchmarks, examples. */
export const ANY = "any";

/**
 * Which packages of the workspace a published package may depend on. A package that is
 * not in this table fails the rule, so that a new one is placed on purpose.
 */
export const PACKAGE_ARROWS: Readonly<Record<string, readonly string[]>> = {
  "@cm/protocol": [],
  "@cm/memory-store": ["@cm/protocol"],
  "@cm/redis-store": ["@cm/protocol"],
  "@cm/membership": ["@cm/protocol"],
  "@cm/presence": ["@cm/protocol"],
  "@cm/router": ["@cm/protocol"],
  "@cm/transport": ["@cm/protocol"],
  "@cm/server-uws": ["@cm/protocol", "@cm/transport"],
  "@cm/server-ws": ["@cm/protocol", "@cm/transport"],
  "@cm/contract-tests": ["@cm/protocol", "@cm/transport"],
  "@cm/auth": ["@cm/protocol"],
  "@cm/client": ["@cm/protocol"],
  "@cm/node": ["@cm/protocol", "@cm/memory-store", "@cm/redis-store", "@cm/membership", "@cm/presence", "@cm/router"],
  "@cm/connection-manager": ["@cm/protocol", "@cm/membership", "@cm/presence", "@cm/router", "@cm/node"],
};

/** Folders whose packages may depend on anything in the workspace. */
export const FREE_FOLDERS: readonly string[] = ["apps", "tooling", "benchmarks", "examples"];

/** Packages whose sources may import nothing at all from outside of themselves, not even from Node. */
export const SELF_CONTAINED: readonly string[] = ["@cm/protocol"];

/** Outside packages that only some may touch, by package name or folder: all others go through those. */
export const GUARDED_EXTERNALS: Readonly<Record<string, readonly string[]>> = {
  ioredis: ["@cm/redis-store", "apps", "tooling", "benchmarks", "examples"],
  "uWebSockets.js": ["@cm/server-uws", "apps", "benchmarks", "examples"],
};

/** Marks packages that may import every package: composition roots, tests, benchmarks, examples. */
export const ANY = "any";

/**
 * The workspace packages that each published package may depend on. A package that is not in this table
 * violates the rule, so that every new package must be added deliberately.
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
  "@cm/node": ["@cm/protocol", "@cm/memory-store", "@cm/redis-store", "@cm/membership", "@cm/presence", "@cm/router"],
  "@cm/connection-manager": ["@cm/protocol", "@cm/membership", "@cm/presence", "@cm/router", "@cm/node"],
};

/** Folders whose packages may depend on any workspace package. */
export const FREE_FOLDERS: readonly string[] = ["apps", "tooling", "benchmarks", "examples"];

/** Packages whose sources may not import anything from outside, not even from Node. */
export const SELF_CONTAINED: readonly string[] = ["@cm/protocol"];

/**
 * Folders that only their own files may import: entries of a package that need Node, while the rest of the package also
 * runs in browsers.
 */
export const SEPARATE_ENTRIES: readonly string[] = ["packages/protocol/src/turns"];

/** External packages that only some packages or folders may import; all others must use these packages instead. */
export const GUARDED_EXTERNALS: Readonly<Record<string, readonly string[]>> = {
  ioredis: ["@cm/redis-store", "apps", "tooling", "benchmarks", "examples"],
  "uWebSockets.js": ["@cm/server-uws", "apps", "benchmarks", "examples"],
};

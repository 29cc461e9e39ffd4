import type * as uws from "uWebSockets.js";
import { createRequire } from "node:module";
import { CmError } from "@cm/protocol";

/** The module that `uWebSockets.js` exports. */
export type Native = typeof uws;

/** `LIBUS_LISTEN_DEFAULT` (SO_REUSEPORT) and `LIBUS_LISTEN_EXCLUSIVE_PORT`, which not every build exports. */
export const LISTEN_MODE = { shared: 0, exclusive: 1 } as const;

const PACKAGE = "uWebSockets.js";

/**
 * The environment variable with the limit for request heads that arrive in several pieces, in bytes. The native
 * layer reads it when it is loaded.
 */
const HEAD_LIMIT_VARIABLE = "UWS_HTTP_MAX_HEADERS_SIZE";

/**
 * Loads uWebSockets.js. Called by `start()`, not on import, so that a process that can't load the binary still
 * gets an error with a code and can report what to do. `maxHeadBytes` is the native limit for a request's head;
 * the first load in a process sets it.
 *
 * @throws CmError `native-load-failed`; `details` has `node`, `abi`, `platform`, `arch`, `libc` and `absent`.
 */
export function loadNative(
  maxHeadBytes: number,
  require: (id: string) => unknown = createRequire(import.meta.url),
): Native {
  let loaded: unknown;
  const { env } = process;
  const before = env[HEAD_LIMIT_VARIABLE];
  env[HEAD_LIMIT_VARIABLE] = String(maxHeadBytes);
  try {
    loaded = require(PACKAGE);
  } catch (cause) {
    throw loadFailure(cause);
  } finally {
    // Restore the variable, because child processes may have a different limit.
    if (before === undefined) delete env[HEAD_LIMIT_VARIABLE];
    else env[HEAD_LIMIT_VARIABLE] = before;
  }
  if (!isNative(loaded)) throw loadFailure(new TypeError(`${PACKAGE} does not export App.`));
  hideVersion(loaded);
  return loaded;
}

/** Removes the header `uWebSockets: 20` from all responses. The type declarations lack this function. */
function hideVersion(native: Native & { readonly _cfg?: unknown }): void {
  if (typeof native._cfg === "function") native._cfg("silent");
}

function isNative(value: unknown): value is Native {
  return typeof value === "object" && value !== null && "App" in value && typeof value.App === "function";
}

function loadFailure(cause: unknown): CmError {
  const node = process.version;
  const abi = process.versions.modules;
  const { platform, arch } = process;
  const libc = describeLibc();
  const absent = isAbsent(cause);
  const what = absent ? `${PACKAGE} is not installed` : `The native binary of ${PACKAGE} can't be loaded`;
  const message =
    `${what} (Node.js ${node}, ABI ${abi}, ${platform} ${arch}, ${libc}). ` +
    `Install the official release by its git tag, for example \`npm install uNetworking/${PACKAGE}#v20.57.0\`: ` +
    "its binaries are made for Node.js 20, 22, 24 and 25, and for glibc, not musl (Alpine). " +
    "Linux binaries from v20.55.0 on need glibc 2.38; Debian 12 has 2.36, so take v20.54.0 or older there, " +
    "or a newer distribution (Ubuntu 24.04, Debian 13). " +
    "If none fits, use @cm/server-ws, the same transport without native code (TRANSPORT=ws for the gateway).";
  return new CmError("native-load-failed", message, { cause, details: { node, abi, platform, arch, libc, absent } });
}

/**
 * Whether the package is missing. Node.js reports a missing package and a missing file inside of a package with
 * the same code.
 */
function isAbsent(cause: unknown): boolean {
  return (
    cause instanceof Error &&
    "code" in cause &&
    cause.code === "MODULE_NOT_FOUND" &&
    cause.message.startsWith(`Cannot find module '${PACKAGE}'`)
  );
}

/**
 * Describes the C library, which decides whether a Linux binary can be loaded. The process report of Node.js
 * only contains the version of glibc.
 */
export function describeLibc(
  platform: string = process.platform,
  getReport: () => unknown = () => process.report.getReport(),
): string {
  if (platform !== "linux") return "no glibc";
  const report = getReport();
  if (typeof report === "object" && report !== null && "header" in report) {
    const { header } = report;
    if (typeof header === "object" && header !== null && "glibcVersionRuntime" in header) {
      return `glibc ${String(header.glibcVersionRuntime)}`;
    }
  }
  return "musl or another libc";
}

import { CmError } from "../errors.js";
import { VERSION } from "../version.js";

/** The oldest Node.js that the packages run on: `engines` of every manifest says the same. */
export const OLDEST_NODE = "20.19.0";

/** Shared by all copies of this package in a process. */
const MADE_BY = Symbol.for("@cm/protocol.version");

/**
 * Marks what a package gives away for others to call (a store with its parts, a router) with the
 * version of the contracts that it keeps. Gives it back.
 */
export function stampVersion<T extends object>(made: T): T {
  for (const part of [made, ...Object.values(made)]) {
    if (typeof part !== "object" || part === null || !Object.isExtensible(part) || MADE_BY in part) continue;
    Object.defineProperty(part, MADE_BY, { value: VERSION });
  }
  return made;
}

/**
 * Refuses a part that was made under other contracts than this package's: a `@cm` package of
 * another minor version, or from 1.0 on of another major one. What carries no mark, such as a store
 * of the application's own, passes.
 *
 * @throws CmError `version-mismatch`; `details` has `field`, `version` and `wanted`.
 */
export function requireFittingVersion(field: string, value: unknown, wanted: string = VERSION): void {
  if (typeof value !== "object" || value === null || !(MADE_BY in value)) return;
  const version = String(value[MADE_BY]);
  if (contractsOf(version) === contractsOf(wanted)) return;
  throw new CmError(
    "version-mismatch",
    `${field} was made by @cm packages of version ${version}, and this package is of version ${wanted}. ` +
      "Install the same version of every @cm package; `npm ls @cm/protocol` shows which one brings the other.",
    { details: { field, version, wanted } },
  );
}

/**
 * Refuses a Node.js that is older than {@link OLDEST_NODE}; what is no Node.js passes.
 *
 * @throws CmError `runtime-unsupported`; `details` has `version` and `wanted`.
 */
export function requireFittingRuntime(version: string | undefined = nodeVersion()): void {
  if (version === undefined || !isOlder(version, OLDEST_NODE)) return;
  throw new CmError("runtime-unsupported", `Node.js ${version} is too old: install ${OLDEST_NODE} or newer.`, {
    details: { version, wanted: OLDEST_NODE },
  });
}

/** The part of a version within which nothing breaks. */
function contractsOf(version: string): string {
  const [major, minor] = version.split(".");
  return major === "0" ? `0.${minor}` : String(major);
}

function isOlder(version: string, than: string): boolean {
  const [parts, others] = [version, than].map((each) => each.split(/[.-]/).map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (parts?.[index] ?? 0) - (others?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** This package knows no runtime, so it looks where Node.js puts its version. */
function nodeVersion(): string | undefined {
  const { process } = globalThis as { readonly process?: { readonly versions?: { readonly node?: string } } };
  return process?.versions?.node;
}

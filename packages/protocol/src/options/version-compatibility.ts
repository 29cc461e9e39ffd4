import { CmError } from "../errors.js";
import { VERSION } from "../version.js";

/** The oldest Node.js version that the packages support, as in the `engines` of every manifest. */
export const OLDEST_NODE = "20.19.0";

/** A registered symbol, so that all copies of this package in a process use the same one. */
const MADE_BY = Symbol.for("@cm/protocol.version");

/**
 * Marks an object that other packages will call (a store, a router), and the objects that it contains,
 * with the version of the contracts that they implement. Returns the object.
 */
export function stampVersion<T extends object>(made: T): T {
  for (const part of [made, ...Object.values(made)]) {
    if (typeof part !== "object" || part === null || !Object.isExtensible(part) || MADE_BY in part) continue;
    Object.defineProperty(part, MADE_BY, { value: VERSION });
  }
  return made;
}

/**
 * Rejects a part that implements another version of the contracts than this package: a `@cm` package of
 * another minor version, or from 1.0 on of another major version. A value without a version mark, such as a
 * store that the application implements, is accepted.
 *
 * @throws CmError `version-mismatch`; `details` has `field`, `version` and `wanted`.
 */
export function requireFittingVersion(field: string, value: unknown, wanted: string = VERSION): void {
  if (typeof value !== "object" || value === null || !(MADE_BY in value)) return;
  const version = String(value[MADE_BY]);
  if (contractsOf(version) === contractsOf(wanted)) return;
  throw new CmError(
    "version-mismatch",
    `${field} was created by @cm packages of version ${version}, but this package has version ${wanted}. ` +
      "Install the same version of every @cm package; `npm ls @cm/protocol` shows which one brings the other.",
    { details: { field, version, wanted } },
  );
}

/**
 * Rejects a Node.js that is older than {@link OLDEST_NODE}. Other runtimes are accepted.
 *
 * @throws CmError `runtime-unsupported`; `details` has `version` and `wanted`.
 */
export function requireFittingRuntime(version: string | undefined = nodeVersion()): void {
  if (version === undefined || !isOlder(version, OLDEST_NODE)) return;
  throw new CmError("runtime-unsupported", `Node.js ${version} is too old: install ${OLDEST_NODE} or newer.`, {
    details: { version, wanted: OLDEST_NODE },
  });
}

/** Returns the part of a version that changes with every breaking change. */
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

/** Reads the version from `globalThis`: this package does not import Node.js modules. */
function nodeVersion(): string | undefined {
  const { process } = globalThis as { readonly process?: { readonly versions?: { readonly node?: string } } };
  return process?.versions?.node;
}

import { pnpmCommand, runCommand } from "../child-commands.mjs";
import { publishablePackages } from "../workspace.mjs";

/**
 * Licenses that only require their text to be kept, so that an application may include the packages without a
 * review.
 */
const ALLOWED = new Set([
  ...["0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0"],
  ...["ISC", "MIT", "Python-2.0", "Unlicense", "Zlib"],
]);

const REMEDY = "see tooling/workspace/checks/licenses.mjs";

/** Whether everything that an installation of the published packages includes has an allowed license. */
export async function checkLicenses() {
  const filters = publishablePackages().flatMap(({ manifest }) => ["--filter", manifest.name]);
  const { code, output } = await runCommand(...pnpmCommand([...filters, "licenses", "list", "--prod", "--json"]));
  if (code !== 0) {
    console.error(output);
    return false;
  }
  // npx may print something before the JSON.
  const byLicense = JSON.parse(output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1));
  const faults = licenseFaults(byLicense);
  for (const fault of faults) console.error(fault);
  console.log(`${Object.values(byLicense).flat().length} packages, ${Object.keys(byLicense).length} licenses`);
  return faults.length === 0;
}

/** The packages with a license that is not allowed, from `{ license: [{ name, versions }] }`. */
export function licenseFaults(byLicense) {
  return Object.entries(byLicense)
    .filter(([license]) => !isAllowed(license))
    .flatMap(([license, packages]) => packages.map(({ name, versions = [] }) => ({ license, name, versions })))
    .map(({ license, name, versions }) => `${name} ${versions.join(", ")} has the license ${license}; ${REMEDY}`);
}

/**
 * Evaluates an expression such as "(MIT OR GPL-2.0) AND ISC": one license of each OR, and all parts of an
 * AND, must be allowed.
 */
function isAllowed(expression) {
  return expression
    .replace(/[()]/g, "")
    .split(" AND ")
    .every((choice) => choice.split(" OR ").some((license) => ALLOWED.has(license.trim())));
}

import { isBuiltin } from "node:module";
import { posix } from "node:path";
import {
  ANY,
  FREE_FOLDERS,
  GUARDED_EXTERNALS,
  PACKAGE_ARROWS,
  SELF_CONTAINED,
  SEPARATE_ENTRIES,
} from "./allowed-arrows.js";
import { findCycles } from "./cycle.js";
import type { SourceFile, WorkspacePackage } from "./workspace-package.js";

/** A violation of the rule: `where` is a file with its line, or a package.json. */
export interface Violation {
  readonly where: string;
  readonly message: string;
}

/** The violations of the rule in a workspace; empty if there are none. */
export function checkWorkspace(packages: readonly WorkspacePackage[]): readonly Violation[] {
  const names = new Set(packages.map(({ name }) => name));
  return [
    ...packages.flatMap((pkg) => [...checkManifest(pkg, names), ...checkSources(pkg, names)]),
    ...packageCycles(packages, names),
    ...packages.flatMap(fileCycles),
  ];
}

function checkManifest(pkg: WorkspacePackage, names: ReadonlySet<string>): readonly Violation[] {
  const where = `${pkg.dir}/package.json`;
  const violations: Violation[] = [];
  if (allowedFor(pkg) === undefined) {
    violations.push({ where, message: `${pkg.name} has no place in allowed-arrows.ts; say there what it may import` });
  }
  if (pkg.published && pkg.files.length === 0) {
    violations.push({ where, message: `no source file of ${pkg.name} was found` });
  }
  for (const target of pkg.declared) {
    const message = forbidden(pkg, target, names);
    if (message !== undefined) violations.push({ where, message });
  }
  return violations;
}

function checkSources(pkg: WorkspacePackage, names: ReadonlySet<string>): readonly Violation[] {
  return pkg.files.flatMap((file) =>
    file.imports.flatMap(({ specifier, line }) => {
      const message = checkImport(pkg, file, specifier, names);
      return message === undefined ? [] : [{ where: `${file.path}:${line}`, message }];
    }),
  );
}

function checkImport(
  pkg: WorkspacePackage,
  file: SourceFile,
  specifier: string | undefined,
  names: ReadonlySet<string>,
): string | undefined {
  if (specifier === undefined) {
    return pkg.published ? "imports a computed name, which no rule can follow" : undefined;
  }
  if (specifier.startsWith(".")) {
    if (/\.(test|fixture)\.[cm]?js$/.test(specifier)) return `${specifier} is for tests alone`;
    const target = posix.join(posix.dirname(file.path), specifier);
    const isWithin = (path: string, folder: string): boolean => path.startsWith(`${folder}/`);
    const entry = SEPARATE_ENTRIES.find((folder) => isWithin(target, folder) && !isWithin(file.path, folder));
    if (entry !== undefined) return `${entry} is an entry of its own, which only its own files may import`;
    return target.startsWith(`${pkg.dir}/`)
      ? undefined
      : `${specifier} reaches out of ${pkg.name}; import a package by its name`;
  }
  const target = packageName(specifier);
  const message = forbidden(pkg, target, names);
  if (message !== undefined) return message;
  if (pkg.published && !isBuiltin(specifier) && target !== pkg.name && !pkg.declared.includes(target)) {
    return `${pkg.name} imports ${target}, but whoever installs it does not get it: it is neither a dependency nor a peer`;
  }
  return undefined;
}

/** The reason why `pkg` may not depend on `target`, or `undefined` if it may. */
function forbidden(pkg: WorkspacePackage, target: string, names: ReadonlySet<string>): string | undefined {
  if (target === pkg.name) return undefined;
  if (SELF_CONTAINED.includes(pkg.name)) return `${pkg.name} depends on nothing, and so not on ${target}`;
  const guards = GUARDED_EXTERNALS[target];
  if (guards !== undefined && !guards.includes(pkg.name) && !guards.includes(pkg.folder)) {
    return `${target} is not for ${pkg.name}; only for ${guards.join(", ")}`;
  }
  const allowed = allowedFor(pkg);
  if (!names.has(target) || allowed === ANY || allowed === undefined || allowed.includes(target)) return undefined;
  return `${pkg.name} may not depend on ${target}; it may on ${allowed.join(", ") || "nothing"}`;
}

function allowedFor(pkg: WorkspacePackage): readonly string[] | typeof ANY | undefined {
  return FREE_FOLDERS.includes(pkg.folder) ? ANY : PACKAGE_ARROWS[pkg.name];
}

function packageCycles(packages: readonly WorkspacePackage[], names: ReadonlySet<string>): readonly Violation[] {
  const graph = new Map(
    packages.map((pkg) => {
      const imported = pkg.files.flatMap(({ imports }) => imports.map(({ specifier }) => packageName(specifier ?? "")));
      const targets = [...pkg.declared, ...imported].filter((target) => names.has(target) && target !== pkg.name);
      return [pkg.name, new Set(targets)] as const;
    }),
  );
  return findCycles(graph).map((cycle) => ({
    where: "packages",
    message: `packages depend on each other in a circle: ${cycle.join(" -> ")}`,
  }));
}

function fileCycles(pkg: WorkspacePackage): readonly Violation[] {
  const paths = new Set(pkg.files.map(({ path }) => path));
  const graph = new Map(
    pkg.files.map((file) => {
      const targets = file.imports
        .flatMap(({ specifier }) =>
          specifier?.startsWith(".") ? [posix.join(posix.dirname(file.path), specifier)] : [],
        )
        // Imports name the compiled file; convert the name to that of its source.
        .map((target) => target.replace(/\.([cm]?)js$/, ".$1ts"))
        .filter((target) => paths.has(target));
      return [file.path, new Set(targets)] as const;
    }),
  );
  return findCycles(graph).map((cycle) => ({
    where: cycle[0] ?? pkg.dir,
    message: `files import each other in a circle: ${cycle.join(" -> ")}`,
  }));
}

/** The package name of `@scope/name/deep` or `name/deep`, without the rest of the path. */
function packageName(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

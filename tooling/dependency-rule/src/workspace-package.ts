import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type SourceImport, sourceImports } from "./source-imports.js";

/** A source file of the product, without tests and their fixtures (`x.test.ts`, `x.fixture.ts`). */
export interface SourceFile {
  /** Path relative to the workspace, with forward slashes. */
  readonly path: string;
  readonly imports: readonly SourceImport[];
}

/** A package of the workspace with its declared dependencies and its imports. */
export interface WorkspacePackage {
  readonly name: string;
  /** Path relative to the workspace, such as `packages/router`. */
  readonly dir: string;
  /** The first part of `dir`. */
  readonly folder: string;
  /** Whether the package is published. */
  readonly published: boolean;
  /** Names under dependencies, peerDependencies and optionalDependencies, without those that only tests need. */
  readonly declared: readonly string[];
  readonly files: readonly SourceFile[];
}

/** The folders that contain packages, and those that are a package themselves. */
const PARENTS: readonly string[] = ["packages", "apps", "tooling", "examples"];
const SINGLES: readonly string[] = ["benchmarks"];

/** Reads every package of the workspace under `root`. */
export function readWorkspace(root: string): readonly WorkspacePackage[] {
  const nested = PARENTS.flatMap((parent) => childrenOf(join(root, parent)).map((name) => `${parent}/${name}`));
  return [...nested, ...SINGLES]
    .filter((dir) => existsSync(join(root, dir, "package.json")))
    .map((dir) => readPackage(root, dir));
}

function readPackage(root: string, dir: string): WorkspacePackage {
  const manifest: unknown = JSON.parse(readFileSync(join(root, dir, "package.json"), "utf8"));
  const name = field(manifest, "name");
  const src = `${dir}/src`;
  return {
    name: typeof name === "string" ? name : dir,
    dir,
    folder: dir.split("/", 1)[0] ?? dir,
    published: field(manifest, "private") !== true,
    declared: ["dependencies", "peerDependencies", "optionalDependencies"].flatMap((key) =>
      Object.keys(field(manifest, key) ?? {}),
    ),
    files: sourceFiles(root, existsSync(join(root, src)) ? src : dir).map((path) => ({
      path,
      imports: sourceImports(path, readFileSync(join(root, path), "utf8")),
    })),
  };
}

function sourceFiles(root: string, dir: string): readonly string[] {
  return readdirSync(join(root, dir), { withFileTypes: true })
    .filter((entry) => entry.name !== "node_modules" && entry.name !== "dist")
    .flatMap((entry) => {
      const path = `${dir}/${entry.name}`;
      if (entry.isDirectory()) return sourceFiles(root, path);
      return /\.[cm]?tsx?$/.test(entry.name) && !/\.(test|fixture|d)\.[cm]?tsx?$/.test(entry.name) ? [path] : [];
    });
}

function childrenOf(dir: string): readonly string[] {
  return existsSync(dir) ? readdirSync(dir).sort() : [];
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined;
}

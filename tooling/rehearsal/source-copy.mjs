import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { cleanEnvironment, mustRun, pnpmCommand, runCommand } from "../workspace/child-commands.mjs";
import { publishablePackages, ROOT } from "../workspace/workspace.mjs";

/** Folders that a fresh clone does not have. */
const LEFT_OUT = new Set([".git", ".turbo", "dist", "node_modules"]);

/** The repository address of the copy's packages; the host name is reserved for examples. */
export const REPOSITORY_URL = "https://git.example/cm";

/** A copy of the sources as in a fresh clone, to version and publish from. */
export class SourceCopy {
  #folder;

  constructor(folder) {
    this.#folder = folder;
    cpSync(ROOT, folder, { recursive: true, filter: (path) => !LEFT_OUT.has(basename(path)) });
  }

  /** Returns the text of a file of the copy. */
  read(file) {
    return readFileSync(join(this.#folder, file), "utf8");
  }

  /** Configures `npm run release` to publish to that registry. */
  useRegistry({ npmrc }) {
    writeFileSync(join(this.#folder, ".npmrc"), npmrc, { flag: "a" });
  }

  async install() {
    await this.#run("Installing in the copy", ...pnpmCommand(["install", "--frozen-lockfile", "--prefer-offline"]));
  }

  /** Builds every published package, or the ones named. */
  async build(names = publishablePackages().map(({ manifest }) => manifest.name)) {
    const filters = names.flatMap((name) => ["--filter", name]);
    const command = pnpmCommand(["exec", "turbo", "run", "build", "--output-logs=errors-only", ...filters]);
    await this.#run("Building the copy", ...command);
  }

  /** Packs every package into that folder. */
  async pack(destination) {
    const filters = publishablePackages().flatMap(({ manifest }) => ["--filter", manifest.name]);
    const args = [...filters, "-r", "pack", "--pack-destination", destination];
    return runCommand(...pnpmCommand(args), { cwd: this.#folder, timeoutMs: 300_000 });
  }

  /** Applies the changesets, and optionally one more. Resolves to the new version of every package. */
  async version(changeset) {
    if (changeset !== undefined) {
      const lines = Object.entries(changeset).map(([name, bump]) => `"${name}": ${bump}`);
      writeFileSync(join(this.#folder, ".changeset", "rehearsal.md"), `---\n${lines.join("\n")}\n---\n\nRehearsed.\n`);
    }
    await this.#changeset("version");
    return Object.fromEntries(
      publishablePackages().map(({ dir, manifest }) => [
        manifest.name,
        JSON.parse(readFileSync(join(this.#folder, dir, "package.json"), "utf8")).version,
      ]),
    );
  }

  async enterPreRelease(tag) {
    await this.#changeset("pre", "enter", tag);
  }

  /** Runs `npm run release` as a maintainer does, with additional arguments for `pnpm publish`. */
  async release(...args) {
    await this.#run("npm run release", "npm", ["run", "release", "--", ...args], { REPOSITORY_URL });
  }

  async #changeset(...args) {
    await this.#run(`changeset ${args.join(" ")}`, join(this.#folder, "node_modules", ".bin", "changeset"), args);
  }

  #run(what, program, args, extra = {}) {
    return mustRun(what, program, args, { cwd: this.#folder, env: cleanEnvironment(extra), timeoutMs: 300_000 });
  }
}

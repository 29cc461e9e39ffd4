import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanEnvironment, mustRun, pnpmCommand } from "../workspace/child-commands.mjs";

const TIMEOUT_MS = 180_000;

/** Empty projects of users, who have access to the registry but not to this workspace. */
export class Projects {
  #folder;
  #npmrc;
  /** The registry for the scope `@cm`. */
  registryUrl;

  constructor(folder, { npmrc, url }) {
    this.#folder = folder;
    this.#npmrc = npmrc;
    this.registryUrl = url;
  }

  /** Creates a project with these files (texts by name). */
  create(name, files = {}) {
    const dir = join(this.#folder, name);
    mkdirSync(dir, { recursive: true });
    const manifest = { name: name.toLowerCase(), private: true, type: "module" };
    const all = { "package.json": JSON.stringify(manifest), ".npmrc": this.#npmrc, ...files };
    for (const [file, text] of Object.entries(all)) {
      mkdirSync(join(dir, file, ".."), { recursive: true });
      writeFileSync(join(dir, file), text);
    }
    return dir;
  }

  /** Runs npm in a project. Resolves to its output. */
  npm(dir, ...args) {
    return this.#run(`npm ${args.join(" ")}`, dir, "npm", args, this.npmSettings());
  }

  /**
   * Returns npm's settings as environment variables. The cache is separate, so that packages of this run do not
   * get into the user's cache, nor those of an earlier run into this one.
   */
  npmSettings() {
    return {
      npm_config_cache: join(this.#folder, ".npm-cache"),
      npm_config_audit: "false",
      npm_config_fund: "false",
      npm_config_update_notifier: "false",
    };
  }

  pnpm(dir, ...args) {
    // These options stand before the command, because arguments after `test` are passed to the script.
    const store = ["--store-dir", join(this.#folder, ".pnpm-store"), "--cache-dir", join(this.#folder, ".pnpm-cache")];
    return this.#run(`pnpm ${args.join(" ")}`, dir, ...pnpmCommand([...store, ...args]));
  }

  async yarn(dir, ...args) {
    // Yarn does not read npm's settings.
    const registry = (await this.npm(dir, "config", "get", "registry")).trim();
    return this.#run(
      `yarn ${args.join(" ")}`,
      dir,
      "npx",
      ["--yes", "--prefer-offline", "@yarnpkg/cli-dist@4.18.1", ...args],
      {
        YARN_NPM_REGISTRY_SERVER: registry,
        YARN_ENABLE_GLOBAL_CACHE: "false",
        YARN_ENABLE_TELEMETRY: "false",
        YARN_ENABLE_IMMUTABLE_INSTALLS: "false",
      },
    );
  }

  /** Runs a program of the project with Node, with additional environment variables. Resolves to its output. */
  node(dir, args, env) {
    return this.#run(`node ${args.join(" ")}`, dir, process.execPath, ["--no-warnings", ...args], env);
  }

  /** The environment of a project's processes. */
  environment(extra = {}) {
    const env = cleanEnvironment(extra);
    // Workspace tests may run with these variables, but a user's project does not.
    for (const name of ["NODE_PATH", "NODE_OPTIONS", "CI"]) delete env[name];
    return env;
  }

  #run(what, cwd, program, args, extra) {
    return mustRun(`${what} in ${cwd}`, program, args, { cwd, env: this.environment(extra), timeoutMs: TIMEOUT_MS });
  }
}

/** The versions of `@cm` packages at any depth of a project's node_modules, as `{ name: [versions] }`. */
export function installedVersions(dir) {
  const found = {};
  const visit = (modules) => {
    if (!existsSync(modules)) return;
    for (const entry of readdirSync(modules)) {
      const folders = entry.startsWith("@")
        ? readdirSync(join(modules, entry)).map((name) => `${entry}/${name}`)
        : [entry];
      for (const name of folders.filter((each) => !each.startsWith("."))) {
        if (name.startsWith("@cm/")) {
          const { version } = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
          found[name] ??= [];
          if (!found[name].includes(version)) found[name].push(version);
        }
        visit(join(modules, name, "node_modules"));
      }
    }
  };
  visit(join(dir, "node_modules"));
  return found;
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "../child-commands.mjs";
import { ROOT } from "../workspace.mjs";
import { NODE_IMAGE, withDependencies } from "./gateway-image.mjs";

/** The ABI versions of Node.js, by major version. */
const ABI = { 20: 115, 22: 127, 24: 137 };

/** The minor version of glibc 2 in the releases of Debian. */
const GLIBC_MINOR = { bookworm: 36, trixie: 41 };

describe("without a container engine", () => {
  it.each(["gateway-image", "compose", "container-tests"])("%s fails and says how to name one", async (command) => {
    const env = { ...process.env, DOCKER_HOST: "unix:///nonexistent/docker.sock" };
    const { code, output } = await runCommand(
      process.execPath,
      [join("tooling", "workspace", "containers", `${command}.mjs`)],
      {
        cwd: ROOT,
        env,
      },
    );
    expect(output).toMatch(/No Docker engine answers, and .*\. Start Docker, or name an engine in DOCKER_HOST\.\n$/s);
    expect(code).toBe(1);
  });
});

describe("the image", () => {
  it("has by default a glibc that can load the native library for its Node.js", () => {
    const [, node, debian] = /^node:(\d+)-([a-z]+)-slim$/.exec(NODE_IMAGE) ?? [];
    const native = join(ROOT, "packages", "server-uws", "node_modules", "uWebSockets.js");
    for (const arch of ["x64", "arm64"]) {
      const library = readFileSync(join(native, `uws_linux_${arch}_${ABI[node]}.node`), "latin1");
      const needed = [...library.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
      expect(Math.max(...needed), arch).toBeLessThanOrEqual(GLIBC_MINOR[debian]);
    }
    expect(readFileSync(join(ROOT, "deploy", "Dockerfile"), "utf8")).toContain(`ARG NODE_IMAGE=${NODE_IMAGE}\n`);
    expect(readFileSync(join(ROOT, "docs", "operations.md"), "utf8")).toContain(`\`${NODE_IMAGE}\``);
  });

  it("has what the gateway needs of the workspace, and no test suites", () => {
    const names = withDependencies("@cm/gateway").map(({ manifest }) => manifest.name);
    expect(names).toContain("@cm/server-ws");
    expect(names).toContain("@cm/redis-store");
    expect(names).not.toContain("@cm/contract-tests");
  });

  it("has dependencies of dependencies, and peers", () => {
    const packages = [
      { manifest: { name: "a", dependencies: { b: "1", other: "1" } } },
      { manifest: { name: "b", peerDependencies: { c: "1" } } },
      { manifest: { name: "c" } },
      { manifest: { name: "d", dependencies: { a: "1" } } },
    ];
    expect(withDependencies("a", packages).map(({ manifest }) => manifest.name)).toEqual(["a", "b", "c"]);
  });
});

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "../child-commands.mjs";
import { ROOT } from "../workspace.mjs";
import { withDependencies } from "./gateway-image.mjs";

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

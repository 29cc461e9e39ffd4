import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { describeLibc, loadNative } from "./native-library.js";

const run = promisify(execFile);

/** Returns the error with which loading fails if this `require` is used. */
function failureWith(require: () => unknown): unknown {
  try {
    loadNative(4_096, require);
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("the native library", () => {
  it("loads", () => {
    expect(loadNative(4_096).App).toBeTypeOf("function");
  });

  it("that the dynamic loader refuses gives an error that names everything one needs", async () => {
    const folder = await mkdtemp(join(tmpdir(), "native-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const broken = join(folder, "broken.node");
    await writeFile(broken, "not a shared object");
    const failure = failureWith(() => {
      const loaded = { exports: {} };
      process.dlopen(loaded, broken);
      return loaded.exports;
    });
    expect(failure).toMatchObject({
      code: "native-load-failed",
      details: { node: process.version, abi: process.versions.modules, platform: process.platform, absent: false },
    });
    const { message, cause } = failure as Error;
    expect(cause).toHaveProperty("code", "ERR_DLOPEN_FAILED");
    for (const part of [process.version, `ABI ${process.versions.modules}`, process.platform, process.arch]) {
      expect(message).toContain(part);
    }
    expect(message).toMatch(/glibc \d+\.\d+|musl/);
    expect(message).toContain("uNetworking/uWebSockets.js#v");
    expect(message).toContain("Debian 12");
    expect(message).toContain("@cm/server-ws");
  });

  it("that is not installed says so", () => {
    const failure = failureWith(() => {
      throw Object.assign(new Error("Cannot find module 'uWebSockets.js'\nRequire stack: ..."), {
        code: "MODULE_NOT_FOUND",
      });
    });
    expect(failure).toMatchObject({ code: "native-load-failed", details: { absent: true } });
    expect((failure as Error).message).toMatch(/^uWebSockets\.js is not installed/);
  });

  it("that is something else altogether is refused", () => {
    expect(failureWith(() => ({ app: 1 }))).toMatchObject({ code: "native-load-failed" });
    expect(failureWith(() => undefined)).toMatchObject({ code: "native-load-failed" });
  });

  it.each([
    ["linux", { header: { glibcVersionRuntime: "2.36" } }, "glibc 2.36"],
    // On Alpine, Node.js uses musl, and its report has no version of glibc.
    ["linux", { header: { osName: "Linux" } }, "musl or another libc"],
    ["linux", "no report", "musl or another libc"],
    ["darwin", {}, "no glibc"],
  ])("on %s with the report %o needs a libc that is described as: %s", (platform, report, description) => {
    expect(describeLibc(platform, () => report)).toBe(description);
  });

  it("fails at start, not at import, and the process continues", async () => {
    // Run a process in which the package resolves to a file that can't be loaded.
    const folder = await mkdtemp(join(tmpdir(), "native-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const broken = join(folder, "broken.node");
    await writeFile(broken, "not a shared object");
    const script = `
      import Module from "node:module";
      const resolve = Module._resolveFilename;
      Module._resolveFilename = (id, ...rest) =>
        id === "uWebSockets.js" ? ${JSON.stringify(broken)} : resolve.call(Module, id, ...rest);
      const { createUwsServer } = await import(${JSON.stringify(pathToFileURL(join(import.meta.dirname, "../dist/index.js")).href)});
      const nothing = () => undefined;
      const handler = { open: nothing, frame: nothing, binary: nothing, closed: nothing };
      const server = createUwsServer({
        port: 0, subprotocols: ["x"], authenticate: nothing, nextConnectionId: nothing, handler, onError: nothing,
      });
      const error = await server.start().catch((cause) => cause);
      await server.close();
      console.log(JSON.stringify({ code: error.code, message: error.message }));
    `;
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script]);
    expect(JSON.parse(stdout)).toEqual({
      code: "native-load-failed",
      message: expect.stringContaining(`ABI ${process.versions.modules}`),
    });
  });
});

/*
 * Bundles the page's code as a browser gets it, and runs it where there is nothing of Node.js.
 */
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";

const { outputFiles } = await build({
  entryPoints: [new URL("./page.js", import.meta.url).pathname],
  bundle: true,
  minify: true,
  platform: "browser", // A module of Node.js would fail the build.
  format: "iife",
  globalName: "cm",
  write: false,
});
const [bundle] = outputFiles;
if (bundle === undefined) throw new Error("There is no bundle.");
console.log(`the bundle has less than 64 KiB: ${bundle.contents.byteLength < 65_536}`);

const page = createContext({ TextEncoder, TextDecoder, crypto });
runInContext(bundle.text, page);
console.log(`a join: ${runInContext(`cm.check('{"type":"join","room":"lobby","ref":1}')`, page)}`);
console.log(`a room without a name: ${runInContext(`cm.check('{"type":"join","room":"","ref":1}')`, page)}`);

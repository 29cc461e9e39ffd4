/* Bundles the page's code for browsers, and runs it in a context that has nothing of Node.js. */
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";

const { outputFiles } = await build({
  entryPoints: [new URL("./page.js", import.meta.url).pathname],
  bundle: true,
  minify: true,
  platform: "browser", // The build fails if the code imports a module of Node.js.
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

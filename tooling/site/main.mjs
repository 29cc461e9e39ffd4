import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "vitepress";
import { runAsProgram } from "../workspace/child-commands.mjs";
import { writeApi } from "./api-reference.mjs";
import { lookAtSite } from "./browser-check.mjs";
import { checkBuiltLinks } from "./built-links.mjs";
import { checkCodeBlocks } from "./code-block-check.mjs";
import { serveSite } from "./serve.mjs";
import { writePages } from "./site-pages.mjs";
import { PLACES } from "./site-paths.mjs";

const SERVE_PORT = 4_173;

/** `npm run site`; tooling/workspace/site.mjs prepares its requirements and sets the path of a Chromium. */
await runAsProgram(import.meta.url, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      serve: { type: "boolean" },
      port: { type: "string" },
      pictures: { type: "string" },
      show: { type: "string" },
    },
  });
  const startedAt = performance.now();
  for (const place of [PLACES.pages, PLACES.site]) rmSync(place, { recursive: true, force: true });

  const blocks = await step("code of the pages", checkCodeBlocks);
  const { pages, sources } = await step("pages", async () => writePages());
  const symbols = await step("programming interface (typedoc)", writeApi);
  await step("site (vitepress)", () => build(fileURLToPath(new URL(".", import.meta.url))));
  const built = await step("links of the built site", async () => checkBuiltLinks());
  console.log(
    `  ${built.pages.length} pages with ${built.links} links and ${built.external} out of the site: ${pages} written, ${sources} of the repository, the rest of ${symbols} symbols; ${blocks} programs compiled`,
  );

  const { server, url } = await serveSite(values.serve === true ? Number(values.port ?? SERVE_PORT) : 0);
  if (values.serve === true) {
    console.log(`The site is at ${url}`);
    return;
  }
  try {
    await step("browser, at 375 and 1,280 px", () =>
      lookAtSite(url, built.pages, {
        executablePath: process.env.CHROMIUM_PATH,
        pictures: values.pictures,
        shown: values.show?.split(","),
      }),
    );
  } finally {
    server.close();
    server.closeAllConnections();
  }
  console.log(`The site is built and looked at in ${seconds(startedAt)} s.`);
});

async function step(title, run) {
  const startedAt = performance.now();
  console.log(`- ${title}`);
  const result = await run();
  console.log(`  done in ${seconds(startedAt)} s`);
  return result;
}

function seconds(since) {
  return ((performance.now() - since) / 1_000).toFixed(1);
}

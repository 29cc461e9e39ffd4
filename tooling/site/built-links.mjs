import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { filesUnder } from "../workspace/setup/build-stamp.mjs";
import { ROOT, SetupError } from "../workspace/workspace.mjs";
import { externalLinkFault } from "./external-links.mjs";
import { PLACES } from "./site-paths.mjs";

/**
 * Checks every link of the built pages, including its anchor, and the form of external links. Returns the pages
 * and the numbers of both kinds of links.
 */
export function checkBuiltLinks() {
  const pages = filesUnder(relative(ROOT, PLACES.site)).filter((path) => path.endsWith(".html"));
  const texts = new Map(
    pages.map((path) => [relative(PLACES.site, join(ROOT, path)), readFileSync(join(ROOT, path), "utf8")]),
  );
  const anchors = new Map(
    [...texts].map(([page, text]) => [
      page,
      new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => decoded(id))),
    ]),
  );
  const faults = new Set();
  const external = new Set();
  let links = 0;
  for (const [page, text] of texts) {
    for (const [, href] of text.matchAll(/<a [^>]*?href="([^"]*)"/g)) {
      // A link that begins with "//" uses the scheme of the site.
      if (/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(href)) {
        external.add(href);
        const fault = externalLinkFault(decoded(href));
        if (fault !== undefined) faults.add(`${page}: ${href} ${fault}`);
        continue;
      }
      links += 1;
      const { pathname, hash } = new URL(decoded(href), `http://site/${page}`);
      const target = decodeURIComponent(pathname)
        .replace(/^\//, "")
        .replace(/(^|\/)$/, "$1index.html");
      const anchor = decodeURIComponent(hash.slice(1));
      const known = anchors.get(target);
      if (known === undefined && !existsSync(join(PLACES.site, target))) faults.add(`${page}: ${href} is no page`);
      else if (anchor !== "" && known !== undefined && !known.has(anchor))
        faults.add(`${page}: ${href} has no such anchor`);
    }
  }
  if (faults.size > 0) throw new SetupError(`Links of the built site:\n${[...faults].join("\n")}`);
  return { pages: [...texts.keys()].filter((page) => page !== "404.html"), links, external: external.size };
}

function decoded(text) {
  return text
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}

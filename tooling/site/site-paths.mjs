import { join } from "node:path";
import { ROOT } from "../workspace/workspace.mjs";

const BUILD = join(ROOT, "tooling", "site", "build");

/** Folders that are created while the site is built; ignored by git. */
export const PLACES = {
  build: BUILD,
  /** The input pages for VitePress. */
  pages: join(BUILD, "pages"),
  /** Files that are served unchanged. */
  assets: join(BUILD, "pages", "public"),
  /** The finished site. */
  site: join(BUILD, "site"),
  cache: join(BUILD, "cache"),
  blocks: join(BUILD, "blocks"),
};

import { join } from "node:path";
import { ROOT } from "../workspace/workspace.mjs";

const BUILD = join(ROOT, "tooling", "site", "build");

/** What is made while the site is built; ignored by git. */
export const PLACES = {
  build: BUILD,
  /** The pages as VitePress takes them. */
  pages: join(BUILD, "pages"),
  /** Files that are served as they are. */
  assets: join(BUILD, "pages", "public"),
  /** The finished site. */
  site: join(BUILD, "site"),
  cache: join(BUILD, "cache"),
  blocks: join(BUILD, "blocks"),
};

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const PAGE = fileURLToPath(new URL("../../public/", import.meta.url));

const FILES = [
  { path: "/", file: "index.html", type: "text/html; charset=utf-8" },
  { path: "/app.js", file: "app.js", type: "text/javascript; charset=utf-8" },
  { path: "/elements.js", file: "elements.js", type: "text/javascript; charset=utf-8" },
  { path: "/link.js", file: "link.js", type: "text/javascript; charset=utf-8" },
  { path: "/style.css", file: "style.css", type: "text/css; charset=utf-8" },
  { path: "/favicon.svg", file: "favicon.svg", type: "image/svg+xml" },
] as const;

export const PAGE_PATHS: readonly string[] = FILES.map(({ path }) => path);

/** A file with the headers it is served with. */
export interface StaticFile {
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads the files of the page for trying out the gateway. */
export function readPage(): Promise<StaticFile[]> {
  return Promise.all(
    FILES.map(async ({ path, file, type }) => ({
      path,
      body: await readFile(PAGE + file),
      headers: {
        "content-type": type,
        "cache-control": "no-cache",
        "content-security-policy": "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
      },
    })),
  );
}

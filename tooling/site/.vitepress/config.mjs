import { readdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitepress";
import { slugOf } from "../markdown-links.mjs";
import { PLACES } from "../site-paths.mjs";

const item = (text, link) => ({ text, link });

/** The pages of a folder, sorted by name. */
function pagesOf(folder, textOf) {
  return readdirSync(join(PLACES.pages, folder))
    .filter((name) => name.endsWith(".md") && name !== "index.md")
    .sort()
    .map((name) => item(textOf(name.slice(0, -".md".length)), `/${folder}/${name}`));
}

const SIDEBAR = [
  {
    text: "Start",
    items: [
      item("Overview", "/index.md"),
      item("Single packages", "/start/packages.md"),
      item("The gateway", "/start/gateway.md"),
      item("From the registry, or embedded", "/start/embedding.md"),
      item("Examples", "/examples.md"),
    ],
  },
  {
    text: "Concepts",
    items: [
      item("The life of a message", "/concepts/message.md"),
      item("Leases, heartbeats and crashes", "/concepts/leases-and-crashes.md"),
      item("Rooms, presence and recovery", "/concepts/rooms-presence-recovery.md"),
      item("Architecture and glossary", "/architecture.md"),
    ],
  },
  {
    text: "Guides",
    items: [
      item("Scale out", "/guides/scaling-out.md"),
      item("Presence", "/guides/presence.md"),
      item("Games", "/guides/games.md"),
      item("Resume", "/guides/resume.md"),
      item("Deploy behind nginx and HAProxy", "/guides/balancers.md"),
      item("Kubernetes and systemd", "/guides/kubernetes-and-systemd.md"),
      item("Secure a deployment", "/guides/securing.md"),
      item("Size a deployment", "/guides/sizing.md"),
      item("From socket.io", "/guides/from-socket-io.md"),
      item("From the memory of one process", "/migration.md"),
      item("Write a store or a transport", "/guides/own-store-or-transport.md"),
      item("Write a client", "/guides/own-client.md"),
    ],
  },
  {
    text: "Reference",
    items: [
      item("The gateway", "/gateway.md"),
      item("Configuration", "/configuration.md"),
      item("Client protocol", "/protocol.md"),
      item("The contract of a store", "/store-contract.md"),
      item("Messages between servers", "/bus.md"),
      item("Keys", "/keys.md"),
      item("Redis", "/redis.md"),
      item("Operations", "/operations.md"),
      item("Security", "/security.md"),
    ],
  },
  { text: "Packages", collapsed: true, items: pagesOf("packages", (name) => `@cm/${name}`) },
  { text: "Programming interface", collapsed: true, items: pagesOf("api", (name) => `@cm/${name}`) },
  {
    text: "Figures",
    items: [
      item("Failure modes", "/failure-modes.md"),
      item("Performance", "/performance.md"),
      item("Benchmarks", "/benchmarks.md"),
    ],
  },
  {
    text: "Project",
    items: [
      item("Contributing", "/contributing.md"),
      item("Releasing", "/releasing.md"),
      {
        text: "Decisions",
        link: "/decisions/index.md",
        collapsed: true,
        items: pagesOf("decisions", (name) => name.replace(/^0*(\d+)-/, "$1. ").replaceAll("-", " ")),
      },
    ],
  },
];

export default defineConfig({
  title: "cm",
  description: "Connection management for WebSocket servers that run as more than one process.",
  lang: "en",
  srcDir: PLACES.pages,
  outDir: PLACES.site,
  cacheDir: PLACES.cache,
  head: [["link", { rel: "icon", href: "/favicon.svg" }]],
  metaChunk: true,
  // Do not load linked pages in advance.
  router: { prefetchLinks: false },
  markdown: {
    anchor: { slugify: slugOf },
    // Braces at the end of a line are ordinary text.
    attrs: { disable: true },
  },
  vite: { build: { chunkSizeWarningLimit: 4_000 } },
  themeConfig: {
    siteTitle: "cm",
    nav: [
      item("Start", "/start/packages.md"),
      item("Concepts", "/concepts/message.md"),
      item("Guides", "/guides/scaling-out.md"),
      item("Reference", "/gateway.md"),
    ],
    sidebar: SIDEBAR,
    outline: [2, 3],
    search: { provider: "local" },
  },
});

import { expect, it } from "vitest";
import { anchorsOf, isLocal, replaceTargets, resolveTarget, slugOf } from "./markdown-links.mjs";

it("links are replaced in prose and pictures, and left alone in fenced blocks", () => {
  const text = "See [a](b.md#c) and ![p](x.svg).\n\n```md\n[a](b.md)\n```\n\n[last](d.md)";
  expect(replaceTargets(text, (target) => `/${target}`)).toBe(
    "See [a](/b.md#c) and ![p](/x.svg).\n\n```md\n[a](b.md)\n```\n\n[last](/d.md)",
  );
});

it("a target is resolved from the folder of its page", () => {
  expect(resolveTarget("docs/guides/a.md", "../../packages/x/README.md#use")).toEqual({
    path: "packages/x/README.md",
    anchor: "use",
  });
  expect(resolveTarget("docs/a.md", "#here")).toEqual({ path: "docs/a.md", anchor: "here" });
  expect(resolveTarget("README.md", "docs/decisions/")).toEqual({ path: "docs/decisions", anchor: undefined });
  expect(isLocal("https://example.com/a.md")).toBe(false);
  expect(isLocal("../a.md")).toBe(true);
});

it("anchors are those of code hosts, and repeated headings are numbered", () => {
  expect(slugOf("What `join()` does, and why?")).toBe("what-join-does-and-why");
  const page = "# A page\n## Use\n```sh\n# no heading\n```\n## Use\n### The [life](x.md) of a *message*\n";
  expect([...anchorsOf(page)]).toEqual(["a-page", "use", "use-1", "the-life-of-a-message"]);
});

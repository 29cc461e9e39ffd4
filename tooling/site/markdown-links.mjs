import { posix } from "node:path";

const FENCE = /^(`{3,}|~{3,})/;

/** The text of a page without its fenced blocks, line by line, each with its number from 0. */
export function proseLines(text) {
  const lines = [];
  let fence;
  text.split("\n").forEach((line, index) => {
    const mark = FENCE.exec(line.trimStart())?.[1];
    if (fence === undefined && mark !== undefined) fence = mark;
    else if (fence === undefined) lines.push({ line, index });
    else if (mark?.startsWith(fence) && line.trim() === mark) fence = undefined;
  });
  return lines;
}

/** Replaces the target of every link and picture outside of fenced blocks. `change(target)` gives the new one. */
export function replaceTargets(text, change) {
  const lines = text.split("\n");
  for (const { line, index } of proseLines(text)) {
    lines[index] = line.replace(/\]\(([^()\s]+)\)/g, (_, target) => `](${change(target)})`);
  }
  return lines.join("\n");
}

/** Whether a target is in the repository, and not on the network. */
export function isLocal(target) {
  return !/^[a-z][a-z0-9+.-]*:/i.test(target);
}

/** A target's path in the repository and its anchor, seen from a page there. */
export function resolveTarget(page, target) {
  const [path, anchor] = target.split("#");
  const resolved = path === "" ? page : posix.normalize(posix.join(posix.dirname(page), path)).replace(/\/$/, "");
  return { path: resolved, anchor };
}

/** The anchor of a heading, as code hosts make it: the site is told to do the same. */
export function slugOf(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");
}

/** The anchors of a page's headings; a repeated one gets a number behind it. */
export function anchorsOf(text) {
  const anchors = new Set();
  for (const { line } of proseLines(text)) {
    const heading = /^#{1,6}\s+(.*)$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
    const slug = slugOf(plain);
    let unique = slug;
    for (let n = 1; anchors.has(unique); n += 1) unique = `${slug}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

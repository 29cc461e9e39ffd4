import { createMemoryStore } from "@cm/memory-store";
import type { Link, LinkState } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it } from "vitest";
import { logLink } from "./link-log.js";

interface Line {
  readonly level: "info" | "warn";
  readonly link: unknown;
  readonly changes: unknown;
}

/** A link whose state the test sets, and the lines that are logged about it. */
function listen(intervalMs: number) {
  const lines: Line[] = [];
  const write = (level: Line["level"]) => (fields: Readonly<Record<string, unknown>>) => {
    lines.push({ level, link: fields.link, changes: fields.changes });
  };
  const status = createMemoryStore().link.status();
  let listener: (state: LinkState) => void = () => undefined;
  let state: LinkState = "connecting";
  const link: Link = {
    get state() {
      return state;
    },
    status: () => ({ ...status, state }),
    onState: (call) => {
      listener = call;
      return () => {
        listener = () => undefined;
      };
    },
  };
  const become = (next: LinkState): void => {
    state = next;
    listener(next);
  };
  const end = logLink(link, { info: write("info"), warn: write("warn") }, intervalMs);
  return { lines, become, end };
}

it("writes each change of the link in a line of its own, but not that it was closed", () => {
  const { lines, become, end } = listen(60_000);
  for (const state of ["in-sync", "down", "resubscribing", "in-sync", "closed"] as const) become(state);
  expect(lines.map(({ level, link }) => `${level} ${String(link)}`)).toEqual([
    "info in-sync",
    "warn down",
    "warn resubscribing",
    "info in-sync",
  ]);
  end();
  become("down");
  expect(lines).toHaveLength(4);
});

it("writes a few lines about a link that flaps, the last with the state that it led to", async () => {
  const { lines, become, end } = listen(50);
  for (let i = 0; i < 500; i++) for (const state of ["down", "in-sync"] as const) become(state);
  expect(lines).toHaveLength(8);
  await eventually(() => expect(lines).toHaveLength(9));
  expect(lines[8]).toEqual({ level: "info", link: "in-sync", changes: 992 });
  // After the summary, the next change is logged again.
  become("down");
  expect(lines[9]).toEqual({ level: "warn", link: "down", changes: undefined });
  end();
  expect(lines).toHaveLength(10);
});

import { expect, it } from "vitest";
import { PageCursors } from "./page-cursors.js";

it("a sealed cursor opens for its room on its server, and for nothing else", () => {
  const cursors = new PageCursors();
  const sealed = cursors.seal("lobby", "place");
  expect(sealed).not.toContain("lobby");
  expect(cursors.open("lobby", sealed)).toBe("place");
  const refused = expect.objectContaining({ code: "options-invalid" });
  for (const [room, cursor] of [
    ["hall", sealed],
    ["lobby", `${sealed}x`],
    ["lobby", "place"],
    ["lobby", ""],
    ["lobby", sealed.slice(0, 12)],
    ["lobby", `${"é".repeat(12)}place`],
  ] as const) {
    expect(() => cursors.open(room, cursor)).toThrow(refused);
  }
  expect(() => new PageCursors().open("lobby", sealed)).toThrow(refused);
});

it("a sealed cursor does not open for another room that its text could be cut into", () => {
  const cursors = new PageCursors();
  const sealed = cursors.seal("b\0a", "place");
  const refused = expect.objectContaining({ code: "options-invalid" });
  expect(() => cursors.open("a", `${sealed}\0b`)).toThrow(refused);
  expect(cursors.open("b\0a", sealed)).toBe("place");
});

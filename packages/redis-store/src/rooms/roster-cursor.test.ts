import { isCmError } from "@cm/protocol";
import fc from "fast-check";
import { expect, it } from "vitest";
import { decodeCursor, encodeCursor, lowerEnd } from "./roster-cursor.js";

const CURSORS = [{ afterConnection: "gw-1.ab128zz" }, { afterHolder: "gw-1.ab12" }] as const;

it("reads the cursors that it gave", () => {
  for (const after of CURSORS) expect(decodeCursor(encodeCursor(after))).toEqual(after);
  expect(encodeCursor(undefined)).toBeUndefined();
  expect(decodeCursor(undefined)).toBeUndefined();
});

it("refuses everything else", () => {
  const good = CURSORS.map((after) => encodeCursor(after));
  const bad = [...good.map((cursor) => `${cursor}=`), "", "!", 7, null, {}, Buffer.from("+").toString("base64url")];
  for (const cursor of bad) expect(() => decodeCursor(cursor), String(cursor)).toThrow();
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        expect(encodeCursor(decodeCursor(text))).toBe(text);
      } catch (error) {
        expect(isCmError(error) && error.code).toBe("options-invalid");
      }
    }),
  );
});

it("continues right after a connection, whatever its user is called, and after all of a holder", () => {
  const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const lowerEndAfter = (after: (typeof CURSORS)[number]) => lowerEnd(after).slice(1);
  expect(order(lowerEndAfter(CURSORS[0]), "gw-1.ab128zz|\uffff\u{10ffff}")).toBe(1);
  expect(order(lowerEndAfter(CURSORS[0]), "gw-1.ab129|a")).toBe(-1);
  expect(order(lowerEndAfter(CURSORS[1]), "gw-1.ab12gzzzzzzzz|a")).toBe(1);
  expect(order(lowerEndAfter(CURSORS[1]), "gw-1.ab1300|a")).toBe(-1);
});

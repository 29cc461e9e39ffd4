import { CmError, type Page, type PageRequest } from "@cm/protocol";

/** The largest page that the contracts allow. */
const LIMIT_MAX = 1_000;

/**
 * A cursor: the order after which the next page begins, and the order with which the reading ends, both in base
 * 36.
 */
const CURSOR = /^([0-9a-z]{1,11})\.([0-9a-z]{1,11})$/;

/**
 * Returns a page of items in the order in which they were added. Items that are added during a reading come after
 * its end, so that it ends. An item keeps its order, so that a reading returns it once.
 */
export function pageOf<T extends { readonly order: number }>(
  all: Iterable<T>,
  { cursor, limit }: PageRequest,
  lastOrder: number,
  counts: (each: T) => boolean,
): Page<T> {
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    throw new CmError("options-invalid", `limit must be a whole number from 1 to ${LIMIT_MAX}.`);
  }
  const { after, until } = cursor === undefined ? { after: 0, until: lastOrder } : readCursor(cursor, lastOrder);
  const items: T[] = [];
  for (const each of all) {
    if (each.order <= after) continue;
    if (each.order > until) break;
    if (!counts(each)) continue;
    // There is another page only if one more item follows.
    if (items.length === limit) {
      return { items, cursor: `${(items.at(-1)?.order ?? 0).toString(36)}.${until.toString(36)}` };
    }
    items.push(each);
  }
  return { items, cursor: undefined };
}

function readCursor(cursor: string, lastOrder: number): { readonly after: number; readonly until: number } {
  const match = CURSOR.exec(cursor);
  const [after, until] = [Number.parseInt(match?.[1] ?? "", 36), Number.parseInt(match?.[2] ?? "", 36)];
  // False for NaN as well.
  if (after >= 1 && after <= until && until <= lastOrder) return { after, until };
  throw new CmError("options-invalid", "This is not a cursor of a page.");
}

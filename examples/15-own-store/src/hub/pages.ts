import { CmError, type Page, type PageRequest } from "@cm/protocol";
import { requirePage } from "@cm/protocol/options";

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
  request: PageRequest,
  lastOrder: number,
  counts: (each: T) => boolean,
): Page<T> {
  const { cursor, limit } = requirePage(request);
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

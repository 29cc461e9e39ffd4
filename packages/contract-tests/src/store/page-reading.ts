import type { Page, PageRequest } from "@cm/protocol";
import { expect } from "vitest";

/**
 * Maximum number of pages, more than any reading in these tests needs: a reading that exceeds this number
 * does not end.
 */
const PAGES_MAX = 5000;

/** Reads pages to the end, and calls `between` before each further page. */
export async function readPages<T>(
  read: (page: PageRequest) => Promise<Page<T>>,
  limit: number,
  between: (page: number) => Promise<void> = async () => {},
): Promise<T[]> {
  const seen: T[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page++) {
    const { items, cursor: next } = await read({ limit, cursor });
    expect(items.length).toBeLessThanOrEqual(limit);
    seen.push(...items);
    if (next === undefined) return seen;
    cursor = next;
    await between(page);
  }
  throw new Error(`Reading did not end within ${PAGES_MAX} pages.`);
}

import type { History } from "@cm/protocol";
import { Semaphore } from "../semaphore.js";

/** Thousands of rooms may be interrupted at once, and an answer be a megabyte: so many are read at a time. */
const READS_AT_ONCE = 16;

/** A history whose reading takes turns, so that many rooms that are filled at once hold nobody up. */
export function readWithMeasure(history: History): History {
  const slots = new Semaphore(READS_AT_ONCE);
  return {
    append: (room, draft) => history.append(room, draft),
    since: (room, from, limit) => slots.use(() => history.since(room, from, limit)),
    position: (room) => history.position(room),
    restart: (room, reached, notice) => history.restart(room, reached, notice),
    onProven: (handler) => history.onProven(handler),
  };
}

// For the packages of this repository: how calls and messages that arrive together are combined, limited and awaited.
export { awaitAll } from "./await-all.js";
export { BUSY_AT_PER_SECOND, MessageRate } from "./message-rate.js";
export { Semaphore } from "./semaphore.js";
export { atTurnEnd, lastAtTurnEnd, splitLongTurn } from "./turn-end.js";

// For the packages of this repository: how calls of one turn of the event loop are combined.
export { atTurnEnd, lastAtTurnEnd, splitLongTurn } from "./turn-end.js";

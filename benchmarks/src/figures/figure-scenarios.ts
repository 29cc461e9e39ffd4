import { busScenario } from "../bus/bus.js";
import { idleScenario } from "../idle/idle.js";
import { socketJoinsScenario } from "../sockets/socket-joins.js";
import { socketStormsScenario } from "../sockets/socket-storms.js";
import type { FigureScenario } from "./figure-run.js";

/** All scenarios that measure other figures than those of a load, and whose subjects take turns. */
export const FIGURE_SCENARIOS: readonly FigureScenario[] = [
  idleScenario,
  socketJoinsScenario,
  socketStormsScenario,
  busScenario,
];

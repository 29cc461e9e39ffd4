import { CONNECTION_BYTES, LIVE_CONNECTION_BYTES, OWN_ROOM_BYTES, SHARED_ROOM_BYTES } from "../../idle/idle.js";
import { takeFigureMedians } from "../figure-ratios.js";
import { round } from "../tables.js";
import type { Evidence, Missed, Reason } from "./reason.js";

/** The reasons for missed goals of the memory of idle connections. */
export const MEMORY_REASONS: readonly Reason[] = [liveShare, bytesByConstructor];

const DETAILED = [CONNECTION_BYTES, OWN_ROOM_BYTES, SHARED_ROOM_BYTES];

/** Compares the live JavaScript objects of a connection with all its memory. */
function liveShare({ scenario, figure }: Missed, { figureRuns }: Evidence): string | undefined {
  if (scenario !== "idle" || figure !== `${CONNECTION_BYTES} / floor`) return undefined;
  const medians = takeFigureMedians(figureRuns.filter((run) => run.scenario === scenario));
  const bytes = (subject: string, title: string) =>
    medians.find((each) => each.subject === subject && each.title === title)?.median;
  const [all, live] = [bytes("cm", CONNECTION_BYTES), bytes("cm", LIVE_CONNECTION_BYTES)];
  const [floorAll, floorLive] = [bytes("floor", CONNECTION_BYTES), bytes("floor", LIVE_CONNECTION_BYTES)];
  if (all === undefined || live === undefined || floorAll === undefined || floorLive === undefined) return undefined;
  return `${round(live)} of the ${round(all)} bytes are live JavaScript objects, on the floor ${round(floorLive)} of ${round(floorAll)}`;
}

/** Lists the largest groups of objects from the heap snapshots. Results of older builds do not have them. */
function bytesByConstructor({ scenario, figure }: Missed, { figureRuns }: Evidence): string | undefined {
  const title = DETAILED.find((each) => figure === each || figure.startsWith(`${each} / `));
  if (scenario !== "idle" || title === undefined) return undefined;
  const run = figureRuns.find((each) => each.scenario === scenario && each.details?.[title] !== undefined);
  const parts = Object.entries(run?.details?.[title] ?? {});
  if (parts.length === 0) return undefined;
  return `by a heap snapshot: ${parts.map(([name, bytes]) => `${name} ${bytes.toFixed(0)}`).join(", ")}`;
}

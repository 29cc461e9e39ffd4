import { type CommandUses, isScriptCall, sumOfUses } from "../../operations/command-uses.js";
import type { StormResult } from "../../operations/presence-storms.js";
import { median } from "../median.js";
import { round } from "../tables.js";
import type { Evidence, Missed, Reason } from "./reason.js";
import { restOfRedis } from "./redis-rest.js";

/** The reasons for missed goals of storms of operations. */
export const STORM_REASONS: readonly Reason[] = [clientIsBusy, timeInScripts];

/** The client is one process, so its processor time bounds the time of the whole storm from below. */
function clientIsBusy({ scenario, figure }: Missed, { storms }: Evidence): string | undefined {
  if (figure !== "all of it / by hand" && figure !== "client CPU an operation / by hand") return undefined;
  const share = ({ run }: StormResult) => (run.clientCpuUsPerOperation * run.operations) / 1_000 / run.wallMs;
  const [own, other] = [runsOf(storms, scenario, "cm"), runsOf(storms, scenario, "by-hand")];
  if (own.length === 0 || other.length === 0) return undefined;
  const percent = (runs: readonly StormResult[]) => `${(100 * median(runs.map(share))).toFixed(0)} %`;
  const cpu = (runs: readonly StormResult[]) => round(median(runs.map(({ run }) => run.clientCpuUsPerOperation)));
  return (
    `the client computes for ${percent(own)} of the time, by hand for ${percent(other)}: ` +
    `${cpu(own)} us an operation instead of ${cpu(other)}`
  );
}

/**
 * Splits Redis's time of the first turn into that of scripts, of all other commands, most of which scripts call, and
 * everything else.
 */
function timeInScripts({ scenario, figure }: Missed, { storms }: Evidence): string | undefined {
  if (figure !== "Redis CPU an operation / by hand") return undefined;
  const [own] = runsOf(storms, scenario, "cm");
  const [other] = runsOf(storms, scenario, "by-hand");
  const [ownUses, otherUses] = [own?.run.redisCommands, other?.run.redisCommands];
  // Results of older builds do not have the commands.
  if (own === undefined || other === undefined || ownUses === undefined || otherUses === undefined) return undefined;
  const scripts = sumOfUses(ownUses, isScriptCall);
  const nested = sumOfUses(ownUses, (name) => !isScriptCall(name));
  const byHand = sumOfUses(otherUses, () => true);
  const rests = [own.run.redisCpuUsPerOperation - scripts.us, other.run.redisCpuUsPerOperation - byHand.us];
  return (
    `in the first turn, ${round(scripts.calls)} calls of scripts an operation take ${round(scripts.us)} us, and all other ` +
    `commands, most of which scripts call, ${round(nested.us)} us for ${round(nested.calls)}${mostUsed(ownUses)}; by hand ` +
    `${round(byHand.calls)} commands take ${round(byHand.us)}${restOfRedis(rests)}`
  );
}

function mostUsed(uses: CommandUses): string {
  const nested = Object.entries(uses).filter(([name]) => !isScriptCall(name));
  const [most] = nested.sort(([, left], [, right]) => right.us - left.us);
  return most === undefined ? "" : ` (the dearest is ${most[0]} with ${round(most[1].us)})`;
}

function runsOf(storms: readonly StormResult[], storm: string, contender: StormResult["contender"]): StormResult[] {
  return storms.filter((each) => each.storm === storm && each.contender === contender);
}

import { askRedis } from "@cm/test-kit";

/** How often a command was executed, by clients and by scripts, and the time that it took. */
export interface CommandUse {
  readonly calls: number;
  /** Microseconds; for a script, including the commands that it called. */
  readonly us: number;
}

/** The uses of commands by their names in lower case. */
export type CommandUses = Readonly<Record<string, CommandUse>>;

/** Reads Redis's `INFO commandstats`, which counts from the start of the server. */
export async function readCommandUses(port: number): Promise<CommandUses> {
  const uses: Record<string, CommandUse> = {};
  const info = String(await askRedis(port, "INFO", "commandstats"));
  for (const [, name = "", calls, us] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)) {
    uses[name] = { calls: Number(calls), us: Number(us) };
  }
  return uses;
}

/** Returns the uses between two readings, without `INFO`, divided by a number of operations. */
export function usesPerOperation(before: CommandUses, after: CommandUses, operations: number): CommandUses {
  return Object.fromEntries(
    Object.entries(after).flatMap(([name, { calls, us }]) => {
      const { calls: callsBefore, us: usBefore } = before[name] ?? { calls: 0, us: 0 };
      if (name === "info" || calls === callsBefore) return [];
      return [[name, { calls: (calls - callsBefore) / operations, us: (us - usBefore) / operations }]];
    }),
  );
}

export function sumOfUses(uses: CommandUses, matches: (name: string) => boolean): CommandUse {
  const chosen = Object.entries(uses).flatMap(([name, use]) => (matches(name) ? [use] : []));
  return {
    calls: chosen.reduce((sum, { calls }) => sum + calls, 0),
    us: chosen.reduce((sum, { us }) => sum + us, 0),
  };
}

/** Whether a command runs a script. */
export function isScriptCall(name: string): boolean {
  return name === "evalsha" || name === "eval";
}

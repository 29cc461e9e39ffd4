import { parseArgs } from "node:util";
import { startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { startRedis } from "@cm/test-kit";
import { type Attack, type Finding, OBSERVED, runAttack, type Scale } from "./attack.js";
import { FAN_OUT_ATTACKS } from "./attacks/fan-out.js";
import { FULL_HEAP } from "./attacks/full-heap.js";
import { HANGING_AUTHENTICATION } from "./attacks/hanging-authentication.js";
import { MASS_DISCONNECT } from "./attacks/mass-disconnect.js";
import { MASS_RECONNECT } from "./attacks/mass-reconnect.js";
import { ONE_ADDRESS } from "./attacks/one-address.js";
import { STALLED_READERS } from "./attacks/stalled-readers.js";
import { UNREAD_ATTACKS } from "./attacks/unread-answers.js";
import { runFuzz } from "./fuzz/run-fuzz.js";

const ATTACKS: readonly Attack[] = [
  ...FAN_OUT_ATTACKS,
  STALLED_READERS,
  MASS_DISCONNECT,
  MASS_RECONNECT,
  ONE_ADDRESS,
  FULL_HEAP,
  HANGING_AUTHENTICATION,
  ...UNREAD_ATTACKS,
];

/** Disables all limits, as in a gateway from before they were added. */
const LIMITS_OFF = {
  MAX_CONNECTIONS_PER_ADDRESS: "0",
  MAX_UPGRADES_PER_SECOND_PER_ADDRESS: "0",
  MAX_PENDING_UPGRADES: "0",
  MAX_CONTROL_FRAMES_PER_SECOND: "0",
  MAX_TOTAL_BACKPRESSURE_BYTES: "0",
  MAX_MEMBERSHIPS: "0",
  MAX_SERVER_ROOMS: "0",
  MAX_CONNECTIONS_PER_USER: "0",
  MAX_BYTES_PER_SECOND: "0",
  MAX_FANOUT_PER_SECOND: "0",
  MAX_FANOUT_PERCENT: "0",
};

const USAGE = `Usage: npm run siege -- [options]

  --attack NAME   one of ${ATTACKS.map(({ name }) => name).join(", ")} (all)
  --limits WORD   off, on or both (both)
  --seconds N     duration of each flood in seconds, 1 to 60 (10)
  --size N        factor for the number of clients, 0.01 to 1 (1)
  --short         all attacks within a minute, with the limits on: --size 0.05 --seconds 2 --limits on,
                  unless given. Requirements about time are printed, but do not affect the exit code

Attacks gateways that it starts on the loopback address, with the limits off and on. Exits with 1
if a requirement is not met with the limits on.`;

interface Command {
  readonly attacks: readonly Attack[];
  readonly limits: readonly ("off" | "on")[];
  readonly scale: Scale;
  readonly isShort: boolean;
}

function readCommand(args: readonly string[]): Command | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      attack: { type: "string" },
      limits: { type: "string" },
      seconds: { type: "string" },
      size: { type: "string" },
      short: { type: "boolean", default: false },
      help: { type: "boolean" },
    },
  });
  const { short: isShort } = values;
  const seconds = Number(values.seconds ?? (isShort ? 2 : 10));
  const size = Number(values.size ?? (isShort ? 0.05 : 1));
  const word = values.limits ?? (isShort ? "on" : "both");
  const attacks = ATTACKS.filter(({ name }) => values.attack === undefined || values.attack === name);
  const limits = { off: ["off"], on: ["on"], both: ["off", "on"] }[word] as Command["limits"] | undefined;
  const isValid = seconds >= 1 && seconds <= 60 && size >= 0.01 && size <= 1 && attacks.length > 0;
  if (values.help === true || !isValid || limits === undefined) return undefined;
  return { attacks, limits, scale: { seconds, size }, isShort };
}

const FUZZ_USAGE = `Usage: npm run fuzz -- [options]

  --inputs N   frames, requests, tokens and bus messages in all, 1,000 to 100,000,000 (500,000)
  --seed N     random seed of an earlier run to repeat
  --short      half a minute: 40,000 inputs unless given; waiting times do not affect the exit code

Sends random inputs to gateways that it starts on the loopback address. Exits with 1 if one of them
exits, grows, or keeps other clients waiting.`;

async function fuzz(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      inputs: { type: "string" },
      short: { type: "boolean", default: false },
      seed: { type: "string", default: String(Date.now() % 1_000_000) },
      help: { type: "boolean" },
    },
  });
  const { short: isShort } = values;
  const [inputs, seed] = [Number(values.inputs ?? (isShort ? 40_000 : 500_000)), Number(values.seed)];
  const isValid = inputs >= 1_000 && inputs <= 100_000_000 && Number.isInteger(seed);
  if (values.help === true || !isValid) {
    console.log(FUZZ_USAGE);
    return values.help === true ? 0 : 2;
  }
  return (await runFuzz({ inputs, seed, isTimed: !isShort })) ? 0 : 1;
}

/**
 * Resolves with the exit code: 0 if every promise is kept with the limits on, 1 if one is broken, 2 if arguments
 * are invalid.
 */
async function main(): Promise<number> {
  const command = readCommand(process.argv.slice(2));
  if (command === undefined) {
    console.log(USAGE);
    return process.argv.includes("--help") ? 0 : 2;
  }
  const redis = await startRedis();
  let isKept = true;
  try {
    for (const attack of command.attacks) {
      const columns: (readonly Finding[])[] = [];
      for (const limits of command.limits) {
        const prepared = await attack.prepare?.(command.scale);
        const gateway = await startGatewayProcess({
          env: {
            ...OBSERVED,
            REDIS_URL: redis.url,
            REDIS_PREFIX: `siege-${attack.name}-${limits}`,
            ...attack.env?.(command.scale),
            ...prepared?.env,
            ...(limits === "off" ? LIMITS_OFF : {}),
          },
        });
        try {
          columns.push(await runAttack(attack, gateway, command.scale, prepared?.query));
        } finally {
          await gateway.kill();
          prepared?.close();
        }
      }
      const { size } = command.scale;
      const share = size === 1 ? "" : ` (${size} of them)`;
      console.log(`\n${attack.title}${share}\n${tableOf(columns, command.limits)}`);
      const withLimits = command.limits.indexOf("on");
      for (const finding of columns[withLimits] ?? []) {
        if (finding.isKept === false && !(command.isShort && finding.isTimed === true)) isKept = false;
      }
    }
  } finally {
    await redis.close();
  }
  return isKept ? 0 : 1;
}

function tableOf(columns: readonly (readonly Finding[])[], limits: readonly string[]): string {
  // Take the rows of the longest column, because a gateway that has ended has fewer figures.
  const first = columns.reduce((longest, column) => (column.length > longest.length ? column : longest), []);
  const rows = first.map(({ what }, row) => [
    what,
    ...columns.map((column) => {
      const { value = "", isKept } = column[row] ?? {};
      return isKept === false ? `${value} (!)` : value;
    }),
  ]);
  const all = [["", ...limits.map((word) => `limits ${word}`)], ...rows];
  return all
    .map(([what = "", ...values]) => `  ${what.padEnd(44)}${values.map((value) => value.padEnd(30)).join("")}`)
    .join("\n");
}

const [first, ...others] = process.argv.slice(2);
process.exitCode = await (first === "fuzz" ? fuzz(others) : main());

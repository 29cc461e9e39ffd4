import { parseArgs } from "node:util";
import { CmError } from "@cm/protocol";
import type { LoadOptions } from "./load-options.js";

/** The parsed command line. */
export interface LoadCommand {
  readonly help: boolean;
  /** Whether to print the report as JSON. */
  readonly json: boolean;
  readonly load: LoadOptions;
}

/** The output of `--help`. */
export const LOAD_USAGE = `Usage: npm run load -- --url ws://127.0.0.1:3000/ws[,ws://127.0.0.1:3001/ws] [options]

  --rooms N           rooms (20)
  --members N         members of each room, one connection each (10)
  --publishers N|all  members of each room that publish (all)
  --rate N            messages per second over all rooms (500)
  --seconds N         how long to publish (10)
  --warmup N          seconds of publishing before latency is measured (0)
  --bytes N           size of a message's data as JSON (200)
  --ramp N            new connections per second (1000)
  --seed N            random seed of an earlier run to repeat
  --user-prefix TEXT  prefix of user names (load-)
  --token-secret TEXT give each connection a token that is signed with this secret
  --no-echo           publishers do not get their own messages
  --no-acks           publishes request no acknowledgement
  --json              print the report as JSON
  --i-own-this-server allow addresses that are not loopback

Exits with 1 if a message was lost, duplicated or out of order.`;

/** Parses the command line. Throws `options-invalid`. The ranges of numbers are checked by {@link runLoad}. */
export function parseLoadCommand(args: readonly string[]): LoadCommand {
  const values = readFlags(args);
  const publishers = values.publishers === "all" ? "all" : numberOf("publishers", values.publishers);
  return {
    help: values.help ?? false,
    json: values.json ?? false,
    load: defined({
      urls: (values.url ?? []).flatMap((list) => list.split(",")).filter((url) => url !== ""),
      allowRemote: values["i-own-this-server"],
      rooms: numberOf("rooms", values.rooms),
      members: numberOf("members", values.members),
      publishers,
      rate: numberOf("rate", values.rate),
      seconds: numberOf("seconds", values.seconds),
      warmupSeconds: numberOf("warmup", values.warmup),
      bytes: numberOf("bytes", values.bytes),
      ramp: numberOf("ramp", values.ramp),
      seed: numberOf("seed", values.seed),
      userPrefix: values["user-prefix"],
      tokenSecret: values["token-secret"],
      echo: values["no-echo"] === true ? false : undefined,
      acks: values["no-acks"] === true ? false : undefined,
    }),
  };
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        url: { type: "string", multiple: true },
        rooms: { type: "string" },
        members: { type: "string" },
        publishers: { type: "string" },
        rate: { type: "string" },
        seconds: { type: "string" },
        warmup: { type: "string" },
        bytes: { type: "string" },
        ramp: { type: "string" },
        seed: { type: "string" },
        "user-prefix": { type: "string" },
        "token-secret": { type: "string" },
        "no-echo": { type: "boolean" },
        "no-acks": { type: "boolean" },
        json: { type: "boolean" },
        help: { type: "boolean" },
        "i-own-this-server": { type: "boolean" },
      },
    }).values;
  } catch (cause) {
    throw new CmError("options-invalid", cause instanceof Error ? cause.message : "Unreadable options.", { cause });
  }
}

function numberOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) {
    throw new CmError("options-invalid", `--${flag} must be a number.`, { details: { field: flag } });
  }
  return value;
}

/** Removes the fields that are `undefined`, so that their defaults apply. */
function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  // The cast is safe, because only fields that are `undefined` are removed.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

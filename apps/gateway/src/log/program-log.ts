import { type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";
import type { GatewayConfig } from "../config/gateway-config.js";
import { createLogOutput, type LogOutput, openStandardOutput } from "./log-output.js";

export type { Logger } from "pino";

/** A program's log, and the output that its lines are written to. */
export interface ProgramLog {
  readonly log: Logger;
  readonly output: LogOutput;
}

/** Creates the gateway's log: JSON lines on standard output, or text for reading in a terminal. */
export function createLog(config: Pick<GatewayConfig, "logFormat" | "logLevel" | "serverId">): ProgramLog {
  const output = createLogOutput(openStandardOutput(), (dropped) => {
    log.error({ dropped }, "log lines were dropped while standard output could not be written to");
  });
  const pretty = prettyFactory({
    ignore: "pid,hostname,serverId",
    translateTime: "SYS:HH:MM:ss",
  });
  const log = pino(
    { level: config.logLevel, base: { serverId: config.serverId } },
    { write: (line) => output.write(config.logFormat === "json" ? line : pretty(line)) },
  );
  // Write the last lines before the process exits, as far as that is possible without waiting.
  process.once("exit", () => output.flushNow());
  return { log, output };
}

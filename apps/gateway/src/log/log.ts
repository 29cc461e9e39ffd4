import { type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { GatewayConfig } from "../config/gateway-config.js";

export type { Logger } from "pino";

/** The gateway's log: JSON lines on standard output, or text for a person at a terminal. */
export function createLog(config: Pick<GatewayConfig, "logFormat" | "logLevel" | "serverId">): Logger {
  const options = { level: config.logLevel, base: { serverId: config.serverId } };
  // At once: what is said just before the process exits must be neither lost nor overtaken,
  // and where nobody reads any more, what is left to be written would keep it from exiting.
  if (config.logFormat === "json") return pino(options, pino.destination({ dest: 1, sync: true }));
  return pino(options, pretty({ ignore: "pid,hostname,serverId", translateTime: "SYS:HH:MM:ss", sync: true }));
}

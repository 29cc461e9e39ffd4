import { type Logger, pino } from "pino";
import pretty from "pino-pretty";
import type { GatewayConfig } from "./config/gateway-config.js";

export type { Logger } from "pino";

/** The gateway's log: JSON lines on standard output, or text for a person at a terminal. */
export function createLog(config: Pick<GatewayConfig, "logFormat" | "logLevel" | "serverId">): Logger {
  const options = { level: config.logLevel, base: { serverId: config.serverId } };
  if (config.logFormat === "json") return pino(options);
  return pino(options, pretty({ ignore: "pid,hostname,serverId", translateTime: "SYS:HH:MM:ss", sync: true }));
}

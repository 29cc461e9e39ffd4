#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { isCmError } from "@cm/protocol";
import { type GatewayConfig, readGatewayConfig } from "./config/gateway-config.js";
import { startGateway } from "./gateway.js";
import { createLog, type Logger } from "./log.js";
import { startWorkers } from "./workers.js";

/** Exit codes: 0 closed as asked, 1 a fault, 78 a configuration that can't be used (EX_CONFIG). */
const EXIT_FAULT = 1;
const EXIT_CONFIG = 78;

const log = await main();

async function main(): Promise<Logger | undefined> {
  let config: GatewayConfig;
  try {
    config = readGatewayConfig(process.env);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = EXIT_CONFIG;
    return undefined;
  }
  const logger = createLog(config);
  try {
    if (config.workers > 1 && config.worker === undefined) await runWorkers(config, logger);
    else await runServer(config, logger);
  } catch (error) {
    logger.fatal({ err: error, code: isCmError(error) ? error.code : undefined }, "the gateway could not start");
    process.exitCode = EXIT_FAULT;
  }
  return logger;
}

async function runServer(config: GatewayConfig, logger: Logger): Promise<void> {
  const gateway = await startGateway(config, logger);
  const store = config.redisUrl === undefined ? "memory" : "redis";
  const host = gateway.host.includes(":") ? `[${gateway.host}]` : gateway.host;
  const url = `http://${host === "0.0.0.0" || host === "[::]" ? "localhost" : host}:${gateway.port}`;
  logger.info({ url, port: gateway.port, store }, `listening; open ${url} in a browser`);
  closeOnSignal(() => gateway.close(), config, logger);
}

async function runWorkers(config: GatewayConfig, logger: Logger): Promise<void> {
  const workers = await startWorkers(config, fileURLToPath(import.meta.url), logger);
  logger.info({ workers: config.workers, port: config.port }, "workers started");
  closeOnSignal(() => workers.close(), config, logger);
}

function closeOnSignal(close: () => Promise<void>, config: GatewayConfig, logger: Logger): void {
  let asked = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked) return;
    asked = true;
    logger.info({ signal }, "closing");
    const deadline = setTimeout(() => {
      logger.error("closing took too long; what is left in the store vanishes with the lease");
      process.exit(EXIT_FAULT);
    }, config.shutdownTimeoutMs);
    close()
      .then(() => logger.info("closed"))
      .catch((error: unknown) => {
        logger.error({ err: error }, "closing failed");
        process.exitCode = EXIT_FAULT;
      })
      .finally(() => {
        clearTimeout(deadline);
        // Native handles may outlive their owners; everything that matters has ended.
        process.exit();
      });
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  // A worker whose parent is gone would hold the port with nobody to end it.
  process.on("disconnect", () => onSignal("SIGTERM"));
}

process.on("unhandledRejection", (error) => {
  log?.fatal({ err: error }, "a promise was rejected and nobody looked");
  process.exit(EXIT_FAULT);
});

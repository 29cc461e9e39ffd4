// Runs
export { runLoad } from "./run-load.js";
export type { LoadOptions, SteadyEdge } from "./load-options.js";

// Progress and reports
export { formatProgress } from "./report/load-progress.js";
export { driverWasFull, formatLoadReport } from "./report/load-report.js";
export type { LoadProgress } from "./report/load-progress.js";
export type { DriverFigures, ForfeitedFigures, LoadReport, SteadyFigures } from "./report/load-report.js";
export type { LatencySummary } from "./report/latency-histogram.js";
export type { DeliveryFindings } from "./check/delivery-checker.js";

// Protocols of the clients
export { createCmDialect } from "./clients/cm-dialect.js";
export type { CmDialectOptions } from "./clients/cm-dialect.js";
export type { Dialect, DialectSession, Placement, SessionPort } from "./clients/dialect.js";

// Sockets
export { RawSocket } from "./wire/raw-socket.js";
export type { RawSocketEvents, RawSocketOptions } from "./wire/raw-socket.js";

// Running a load
export type { DeliveryFindings } from "./check/delivery-checker.js";
export type { CmDialectOptions } from "./clients/cm-dialect.js";
// Speaking to other servers
export { createCmDialect } from "./clients/cm-dialect.js";
export type { Dialect, DialectSession, Placement, SessionPort } from "./clients/dialect.js";
export type { LatencySummary } from "./report/latency-histogram.js";
export type { LoadOptions, SteadyEdge } from "./load-options.js";
export type { LoadProgress } from "./report/load-progress.js";
export { formatProgress } from "./report/load-progress.js";
export type { DriverFigures, ForfeitedFigures, LoadReport, SteadyFigures } from "./report/load-report.js";
export { driverWasFull, formatLoadReport } from "./report/load-report.js";
export { runLoad } from "./run-load.js";
export type { RawSocketEvents, RawSocketOptions } from "./wire/raw-socket.js";
export { RawSocket } from "./wire/raw-socket.js";

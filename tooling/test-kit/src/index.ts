import "./redis/provided-context.js";

export type { EventuallyOptions } from "./eventually.js";
// Waiting and naming
export { eventually } from "./eventually.js";
export { freshPrefix } from "./fresh-prefix.js";
export { repetitions } from "./soak-repetitions.js";

// Calls that must fail
export type { CallTable } from "./call-table.js";
export { callsNotRejectedWith } from "./call-table.js";

// Processes
export type { ManagedProcess, ManagedProcessOptions, ProcessEnd } from "./process/managed-process.js";
export { guard } from "./process/process-guard.js";
export { startManagedProcess } from "./process/managed-process.js";
export type { ProcessUsage } from "./process/process-usage.js";
export { processUsage } from "./process/process-usage.js";
export { promotedBytesPerStep } from "./process/promoted-bytes.js";
export type { ExhaustionOptions, FewFilesOptions, ReportedError } from "./process/open-file-limit.js";
export { outcomeOfFileExhaustion, startupErrorsWithFewFiles } from "./process/open-file-limit.js";

// Faults between processes
export type { FaultLink } from "./faults/fault-link.js";
export type { Direction, FaultMode } from "./faults/fault-mode.js";
export type { FaultProxy, FaultProxyOptions } from "./faults/fault-proxy.js";
export { startFaultProxy } from "./faults/fault-proxy.js";
export type { RecordingRelay, RelayListener } from "./faults/recording-relay.js";
export { startRecordingRelay } from "./faults/recording-relay.js";
export { STORE_LOSSES } from "./faults/store-losses.js";

// A real Redis
export { freePort } from "./redis/launchers/free-port.js";
export { channelsUnder, keysLeftUnder, keysUnder } from "./redis/keys-with-prefix.js";
export type { LaunchRequest, RedisLauncher, RedisProcess } from "./redis/launchers/launcher.js";
export { findLauncher } from "./redis/launchers/find-launcher.js";
export type { RedisCluster, StartRedisClusterOptions } from "./redis/topologies/redis-cluster.js";
export { startRedisCluster } from "./redis/topologies/redis-cluster.js";
export type { RedisSentinel, StartRedisSentinelOptions } from "./redis/topologies/redis-sentinel.js";
export { startRedisSentinel } from "./redis/topologies/redis-sentinel.js";
export type { RedisServer, StartRedisOptions } from "./redis/topologies/redis-server.js";
export { startRedis } from "./redis/topologies/redis-server.js";
export type { RespReply } from "./redis/resp-connection.js";
export { askRedis, RespConnection } from "./redis/resp-connection.js";

import type { Node } from "@cm/node";
import { SUBPROTOCOL } from "@cm/protocol";
import { renaming } from "@cm/protocol/options";
import { createUwsServer } from "@cm/server-uws";
import { createWsServer } from "@cm/server-ws";
import { createFaultCounter, type TransportOptions, type TransportServer } from "@cm/transport";
import type { RecordedMetrics } from "../admin/recorded-metrics.js";
import { ClientAuthentication } from "../auth/client-authentication.js";
import type { Revocations } from "../auth/revocations.js";
import type { ResolvedGatewayOptions } from "../gateway-options.js";
import { slowReadersOf } from "../limits/slow-reader-policy.js";
import type { FailureLog } from "../log/failure-log.js";
import { ApplicationCalls } from "../session/application-calls.js";
import { ClosingHooks } from "../session/closing-hooks.js";
import { createSessionContext, type SharedParts } from "../session/session-context.js";
import { SessionHandler, type SessionHolder } from "../session/session-handler.js";
import { chooseTransport, WITHOUT_NATIVE } from "./transport-choice.js";

/** The parts of the gateway that its sessions use. */
export interface ServerParts extends Pick<SharedParts, "fanOut" | "charges" | "reached" | "refused"> {
  readonly failures: FailureLog;
  readonly recorded: RecordedMetrics;
  readonly revocations: Revocations;
}

/** Creates the server that clients connect to, with a session for each connection. */
export function createClientTransport(
  config: ResolvedGatewayOptions,
  node: Node,
  routes: NonNullable<TransportOptions<SessionHolder>["routes"]>,
  { failures, recorded, revocations, ...shared }: ServerParts,
): TransportServer<SessionHolder> {
  const faults = createFaultCounter();
  const onFault = (error: unknown): void => failures.report(error, "request");
  const { hookTimeoutMs: timeoutMs, maxPendingHooks: maxPending } = config;
  const took = (name: string, ms: number): void => recorded.hookTook(name, ms);
  const limits = { timeoutMs, maxPending, reached: shared.reached };
  const createCalls = () => new ApplicationCalls("hook", limits, onFault, took);
  const hookCalls = createCalls();
  const { authenticate, refresh } = config;
  const authenticationOptions = { authenticate, refresh, revocations, recorded, hookCalls, onFault };
  const authentication = new ClientAuthentication(authenticationOptions);
  const context = createSessionContext(config, node, {
    ...shared,
    faults,
    hookCalls,
    // Separate calls, so that many connections that close at once do not use up the limit of the requests' hooks.
    closingHooks: new ClosingHooks(createCalls(), maxPending, onFault),
    refresh: authentication.refresh,
    onFault,
  });
  const options: TransportOptions<SessionHolder> = {
    ...settingsOf(config),
    authenticate: (request, signal) => authentication.authenticate(request, signal),
    nextConnectionId: () => node.membership.nextConnectionId(),
    handler: new SessionHandler(context, revocations),
    routes,
    faults,
    onError: (error, { stage }) => failures.report(error, stage),
  };
  const transport = chooseTransport(config.transport, config.sharePort);
  if (transport !== config.transport && transport === "ws") config.logger.warn({}, WITHOUT_NATIVE);
  return renaming({ host: "listenHost" }, () =>
    transport === "ws" ? createWsServer(options) : createUwsServer({ ...options, sharePort: config.sharePort }),
  );
}

/** The settings that the transport applies. */
function settingsOf(config: ResolvedGatewayOptions) {
  return {
    host: config.listenHost,
    port: config.port,
    subprotocols: [SUBPROTOCOL],
    allowedOrigins: config.allowedOrigins,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerAddress,
    maxUpgradesPerSecondPerAddress: config.maxUpgradesPerSecondPerAddress,
    maxPendingUpgrades: config.maxPendingUpgrades,
    authenticationTimeoutMs: config.authenticationTimeoutMs,
    trustedProxies: config.trustedProxies,
    maxHeadBytes: config.maxHeadBytes,
    maxFrameBytes: config.maxFrameBytes,
    maxControlFramesPerSecond: config.maxControlFramesPerSecond,
    maxBackpressureBytes: config.maxBackpressureBytes,
    maxTotalBackpressureBytes: config.maxTotalBackpressureBytes,
    slowReaders: slowReadersOf(config),
    roomWindowMs: config.roomWindowMs,
    roomWindows: config.roomWindows,
    idleTimeoutMs: config.idleTimeoutMs,
    pingIntervalMs: config.pingIntervalMs,
  };
}

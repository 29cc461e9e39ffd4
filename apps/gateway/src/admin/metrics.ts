import type { MembershipStats } from "@cm/membership";
import type { Node } from "@cm/node";
import type { LinkState } from "@cm/protocol";
import type { TransportStats } from "@cm/transport";
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from "prom-client";
import type { Histogram, RecordedMetrics } from "./recorded-metrics.js";
import { storeRoundTripMs } from "./store-round-trip.js";

/** The sources that the metrics are read from. */
export interface MetricSources {
  readonly node: Pick<Node, "membership" | "router" | "store" | "readiness" | "phase">;
  readonly transport: () => TransportStats | undefined;
  /** How often each limit was reached, by limit. */
  readonly limits: () => ByLabel;
  /** Number of requests and frames that were answered with an error, by code. */
  readonly requestsRefused: () => ByLabel;
  readonly recorded: RecordedMetrics;
  readonly droppedLogLines: () => number;
  readonly most: Readonly<Record<"maxConnections" | "maxMemberships" | "maxServerRooms", number>>;
}

/** Access to a gateway's metrics in the Prometheus text format. */
export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
}

const LINK_STATES: readonly LinkState[] = ["connecting", "resubscribing", "in-sync", "degraded", "down", "closed"];

/** The values of all metrics, read once per scrape. */
type Snapshot = ReturnType<typeof snapshotOf> & { readonly roundTripMs: number | undefined };

type ByLabel = Readonly<Record<string, number>>;

/** A metric: how its value is read, or its values by label. A metric without a value is 0. */
type Row = readonly [name: string, help: string, read: (now: Snapshot) => number | ByLabel | undefined, label?: string];

const GAUGES: readonly Row[] = [
  ["cm_connections", "Open connections.", ({ transport }) => transport?.connections],
  ["cm_connections_max", "Maximum number of connections: MAX_CONNECTIONS.", ({ most }) => most.maxConnections],
  ["cm_upgrades_pending", "Upgrades that wait for authentication.", ({ transport }) => transport?.upgrading],
  ["cm_users", "Users with a connection to this server.", ({ transport }) => transport?.users],
  ["cm_rooms", "Rooms with a member on this server.", ({ transport }) => transport?.topics],
  [
    "cm_memberships",
    "Members of rooms on this server, one for each room of a connection.",
    ({ transport }) => transport?.memberships,
  ],
  [
    "cm_members_behind",
    "Members that get no messages of a room until they have read what waits for them, one for each room.",
    ({ transport }) => transport?.membersBehind,
  ],
  [
    "cm_memberships_max",
    "Number of members from which joins are refused: MAX_MEMBERSHIPS; 0: no limit.",
    ({ most }) => most.maxMemberships,
  ],
  [
    "cm_rooms_max",
    "Number of rooms from which joins to further rooms are refused: MAX_SERVER_ROOMS; 0: no limit.",
    ({ most }) => most.maxServerRooms,
  ],
  ["cm_waiting_bytes", "Bytes that wait to be written to clients.", ({ transport }) => transport?.bytesWaiting],
  [
    "cm_held_back_bytes",
    "Bytes of room messages that are held back before they are written to members, once for each group of members.",
    ({ transport }) => transport?.bytesHeldBack,
  ],
  [
    "cm_subscriptions",
    "Subscriptions to the channels of rooms, including those kept for a while after the last member left.",
    ({ router }) => router.rooms + router.idleSubscriptions,
  ],
  [
    "cm_bus_requests_pending",
    "Requests to other servers that wait for the answer.",
    ({ router }) => router.pendingAnswers,
  ],
  [
    "cm_ready",
    "1 while this server is ready for new connections, otherwise 0.",
    ({ readiness }) => Number(readiness.ready),
  ],
  [
    "cm_lease_held",
    "1 if this server held its lease when the store last answered, otherwise 0.",
    ({ isLeaseHeld }) => Number(isLeaseHeld),
  ],
  [
    "cm_lease_age_seconds",
    "Time since the store last confirmed this server's lease.",
    ({ membership }) => secondsOf(membership.leaseAgeMs),
  ],
  [
    "cm_store_round_trip_seconds",
    "Time that the store took to answer one read, at this scrape; absent if it did not answer.",
    ({ roundTripMs }) => secondsOf(roundTripMs),
  ],
  ["cm_draining", "1 while this server drains, otherwise 0.", ({ phase }) => Number(phase === "draining")],
  [
    "cm_drain_connections",
    "Connections that were open when the drain began.",
    ({ transport }) => transport?.drain?.connections,
  ],
  [
    "cm_drain_closed_connections",
    "Connections that the drain has closed with going-away.",
    ({ transport }) => transport?.drain?.closed,
  ],
  [
    "cm_link_probe_age_seconds",
    "Time since a probe message last came back through the store.",
    ({ link }) => secondsOf(link.lastProbeMs),
  ],
];

const COUNTERS: readonly Row[] = [
  ["cm_frames_received_total", "Frames from clients.", ({ transport }) => transport?.traffic.framesReceived],
  ["cm_received_bytes_total", "Payload of frames from clients.", ({ transport }) => transport?.traffic.bytesReceived],
  ["cm_frames_sent_total", "Frames to clients.", ({ transport }) => transport?.traffic.framesSent],
  [
    "cm_socket_writes_total",
    "Writes to sockets; fewer than the frames if several frames share a write.",
    ({ transport }) => transport?.traffic.writes,
  ],
  ["cm_sent_bytes_total", "Payload of frames to clients.", ({ transport }) => transport?.traffic.bytesSent],
  [
    "cm_slow_consumers_closed_total",
    "Connections closed because they did not read.",
    ({ transport }) => transport?.slowConsumersClosed,
  ],
  [
    "cm_discarded_bytes_total",
    "Bytes that waited for slow consumers when they were closed.",
    ({ transport }) => transport?.bytesDiscarded,
  ],
  [
    "cm_accept_pauses_total",
    "How often the server began to refuse new connections because the process could open no more files.",
    ({ transport }) => transport?.acceptPauses,
  ],
  ["cm_bus_messages_received_total", "Messages received from the bus.", ({ router }) => router.received],
  ["cm_bus_messages_missed_total", "Messages of the bus that are known to be missing.", ({ router }) => router.missed],
  [
    "cm_bus_messages_filled_total",
    "Missing messages that were read from a recoverable room's history.",
    ({ router }) => router.filled,
  ],
  [
    "cm_bus_messages_duplicate_total",
    "Messages of the bus that were dropped because they had arrived already.",
    ({ router }) => router.duplicates,
  ],
  [
    "cm_bus_messages_damaged_total",
    "Messages of the bus that were dropped because they can't be decoded.",
    ({ router }) => router.damaged,
  ],
  [
    "cm_reprojections_total",
    "How often all connections were written to the store again.",
    ({ membership }) => membership.reprojections,
  ],
  [
    "cm_reaped_servers_total",
    "Dead servers that this one cleaned up after.",
    ({ membership }) => membership.reapedServers,
  ],
  [
    "cm_link_reconnects_total",
    "Connections to the store that were opened again after a failure.",
    ({ link }) => link.reconnects,
  ],
  [
    "cm_link_resubscriptions_total",
    "Subscriptions that were restored after an interruption.",
    ({ link }) => link.resubscriptions,
  ],
  [
    "cm_link_commands_timed_out_total",
    "Commands that the store did not answer in time.",
    ({ link }) => link.timedOutCommands,
  ],
  [
    "cm_link_commands_refused_total",
    "Commands that were not sent because too many waited.",
    ({ link }) => link.refusedCommands,
  ],
  ["cm_log_lines_dropped_total", "Log lines that could not be written.", ({ droppedLogLines }) => droppedLogLines],
];

/** Counters with a label. Each label has few values: error codes, reasons and close codes. */
const LABELLED: readonly Row[] = [
  [
    "cm_connections_closed_total",
    "Connections that ended, by reason or close code.",
    ({ transport }) => transport?.closed ?? {},
    "reason",
  ],
  [
    "cm_bus_gaps_total",
    "Gaps in the messages of the bus: `lost` if the number of missing messages is known, `uncertain` after an interruption.",
    ({ router }) => ({ lost: router.gaps, uncertain: router.resumedUncertain }),
    "cause",
  ],
  [
    "cm_drift_repaired_total",
    "Entries of the store that differed from this server's state and were repaired, by kind.",
    ({ membership: { drift } }) => repairsOf(drift),
    "kind",
  ],
  [
    "cm_tokens_refused_total",
    "Tokens refused when clients connected or sent another one, by reason.",
    ({ tokensRefused }) => Object.fromEntries(tokensRefused),
    "reason",
  ],
  ["cm_upgrades_refused_total", "Upgrades refused, by code.", ({ transport }) => transport?.refused ?? {}, "code"],
  [
    "cm_frame_faults_total",
    "Faulty frames, and requests over the rate limit, by code.",
    ({ transport }) => transport?.faults ?? {},
    "code",
  ],
  [
    "cm_messages_left_out_total",
    "Messages that members did not get because they did not read, by the room's policy.",
    ({ transport }) => transport?.messagesLeftOut ?? {},
    "policy",
  ],
  [
    "cm_limits_reached_total",
    "How often each limit refused something or closed a connection, by limit.",
    ({ limits }) => limits,
    "limit",
  ],
  [
    "cm_requests_refused_total",
    "Requests and frames of clients that were answered with an error, by code.",
    ({ requestsRefused }) => requestsRefused,
    "code",
  ],
];

/**
 * Creates the metrics; each scrape takes a new snapshot. The metrics of the process and of the event loop
 * (`process_*`, `nodejs_*`) come from prom-client, which starts measuring with this call.
 */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  let now: Snapshot = { ...snapshotOf(sources), roundTripMs: undefined };
  const current = (): Snapshot => now;
  register("gauge", GAUGES, registry, current);
  register("counter", COUNTERS, registry, current);
  register("counter", LABELLED, registry, current);
  new Gauge({
    name: "cm_link_state",
    help: "1 for the state that the link to the store is in, 0 for the others.",
    labelNames: ["state"],
    registers: [registry],
    collect() {
      for (const state of LINK_STATES) this.set({ state }, Number(now.link.state === state));
    },
  });
  const { receivers, hooks } = sources.recorded;
  registerDistributions(registry, "cm_fanout_receivers", "Receivers on this server of a message.", "target", () =>
    Object.entries(receivers),
  );
  registerDistributions(registry, "cm_hook_duration_seconds", "Time that the application's hooks took.", "hook", () => [
    ...hooks,
  ]);
  return {
    contentType: registry.contentType,
    text: async () => {
      const roundTripMs = await storeRoundTripMs(sources.node.store);
      now = { ...snapshotOf(sources), roundTripMs };
      return registry.metrics();
    },
  };
}

/** What gauges and counters have in common. */
interface Additive {
  reset(): void;
  inc(value: number): void;
  inc(labels: Record<string, string>, value: number): void;
}

/** Registers the metrics of a table. Each scrape sets them to the values of the snapshot that `now` returns. */
function register(kind: "gauge" | "counter", table: readonly Row[], registry: Registry, now: () => Snapshot): void {
  for (const [name, help, read, label] of table) {
    const configuration = {
      name,
      help,
      labelNames: label === undefined ? [] : [label],
      registers: [registry],
      collect(this: Additive): void {
        this.reset();
        const value = read(now());
        if (typeof value === "number") this.inc(value);
        else if (label !== undefined) {
          for (const [key, count] of Object.entries(value ?? {})) this.inc({ [label]: key }, count);
        }
      },
    };
    if (kind === "gauge") new Gauge(configuration);
    else new Counter(configuration);
  }
}

/** Registers a histogram of values that are also recorded before the first scrape. */
function registerDistributions(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  distributions: () => readonly (readonly [string, Histogram])[],
): void {
  const values = () =>
    distributions().flatMap(([key, distribution]) => {
      const buckets = distribution.buckets();
      return [
        ...buckets.map(({ le, count }) => ({
          metricName: `${name}_bucket`,
          labels: { [label]: key, le },
          value: count,
        })),
        { metricName: `${name}_sum`, labels: { [label]: key }, value: distribution.sum },
        { metricName: `${name}_count`, labels: { [label]: key }, value: buckets.at(-1)?.count ?? 0 },
      ];
    });
  const metric = { name, get: async () => ({ name, help, type: "histogram", values: values() }) };
  // The registry only reads the name and calls `get`. The library's own histogram does not fit, because it takes
  // single values and not the counts of buckets.
  registry.registerMetric(metric as unknown as Metric);
}

function secondsOf(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

/** Returns the number of repaired entries by kind: missing, stray and wrong ones together. */
function repairsOf({ missing, stray, wrong }: MembershipStats["drift"]): ByLabel {
  const kinds = Object.keys(missing) as (keyof typeof missing)[]; // The object has no other keys.
  return Object.fromEntries(kinds.map((kind) => [kind, missing[kind] + stray[kind] + wrong[kind]]));
}

/** Reads all values that need no request to the store. */
function snapshotOf({ node, transport, limits, requestsRefused, recorded, droppedLogLines, most }: MetricSources) {
  return {
    limits: limits(),
    requestsRefused: requestsRefused(),
    tokensRefused: recorded.tokensRefused,
    transport: transport(),
    router: node.router.stats(),
    membership: node.membership.stats(),
    isLeaseHeld: node.membership.holdsLease,
    link: node.store.link.status(),
    readiness: node.readiness(),
    phase: node.phase,
    droppedLogLines: droppedLogLines(),
    most,
  };
}

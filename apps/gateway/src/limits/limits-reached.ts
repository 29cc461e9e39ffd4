import type { TransportStats } from "@cm/transport";

/** The part of the transport's counters that say how often its limits were reached. */
type LimitedTransport = Pick<TransportStats, "limits" | "refused" | "framesTooLarge" | "slowConsumersClosed">;

/**
 * How often each limit was reached, by name, including those that were never reached: the gateway's own limits in
 * `own`, and those of its transport. A connection that is closed for its own unread bytes counts as `backpressure`,
 * one that is closed for those of all connections as `backlog`.
 */
export function limitsReached(
  own: Readonly<Record<string, number>>,
  transport: LimitedTransport | undefined,
): Readonly<Record<string, number>> {
  const { limits = {}, refused = {}, framesTooLarge = 0, slowConsumersClosed = 0 } = transport ?? {};
  const { backlog = 0 } = limits;
  return {
    ...own,
    // The transport lists these limits only after they were reached.
    "connections-per-address": 0,
    "upgrades-per-address": 0,
    "pending-upgrades": 0,
    "control-frames": 0,
    ...limits,
    connections: refused["capacity-reached"] ?? 0,
    "head-bytes": refused["payload-too-large"] ?? 0,
    "frame-bytes": framesTooLarge,
    backpressure: slowConsumersClosed - backlog,
    backlog,
  };
}

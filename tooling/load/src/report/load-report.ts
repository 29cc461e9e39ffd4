import type { DeliveryFindings } from "../check/delivery-checker.js";
import type { LatencySummary } from "./latency-histogram.js";

/** The report of a run. */
export interface LoadReport {
  /** Whether no message was lost, duplicated, out of order or stray, and every connection joined its room. */
  readonly ok: boolean;
  readonly urls: readonly string[];
  readonly rooms: number;
  /** Number of members of each room. */
  readonly members: number;
  readonly bytes: number;
  readonly seed: number;
  /** Numbers of connections that joined their rooms, and of those that did not. */
  readonly connections: { readonly joined: number; readonly failed: number };
  /** Number of messages sent, including the warm-up. */
  readonly published: number;
  /** Numbers of messages that were due but not sent. */
  readonly forfeited: ForfeitedFigures;
  readonly findings: DeliveryFindings;
  /** Numbers of responses to publishes, if responses were requested. */
  readonly acks: { readonly accepted: number; readonly refused: number; readonly unanswered: number };
  /** Number of messages that servers reported as missed, with `gap` frames. */
  readonly reportedLosses: number;
  /** Number of messages of other runs that arrived in the same rooms. */
  readonly foreign: number;
  /**
   * Time from passing a message to the publisher's socket to reading it from a member's socket, without the
   * messages of the warm-up.
   */
  readonly latencyMs: LatencySummary;
  /** Figures of the part of the run after the warm-up. */
  readonly steady: SteadyFigures;
  readonly driver: DriverFigures;
  /** Number of errors by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Number of closes by close code, without those that the driver initiated. */
  readonly closes: Readonly<Record<string, number>>;
}

/** Numbers of messages that were due but not sent, by reason, including the warm-up. */
export interface ForfeitedFigures {
  /** Messages that were not sent because the driver was too late to catch up. */
  readonly late: number;
  /**
   * Messages that were not sent because no connected publisher of the room had space in its socket's queue, or
   * because `maxInFlight` was reached.
   */
  readonly blocked: number;
}

/** Counts between the warm-up and the last publish. */
export interface SteadyFigures {
  readonly seconds: number;
  readonly wantedPerSecond: number;
  readonly published: number;
  readonly deliveries: number;
}

/**
 * Load of the driver process. If the driver was at its limit, its figures about the servers are less reliable.
 */
export interface DriverFigures {
  /** Share of the steady part during which the driver's event loop was busy, 0 to 1. */
  readonly busy: number;
  /** Processor seconds of the driver in the steady part. */
  readonly cpuSeconds: number;
  /** Longest time by which the pacer was late, in milliseconds. */
  readonly maxLagMs: number;
}

/** Shares of busy time and of late messages; above either, the driver counts as being at its limit. */
const BUSY_SHARE = 0.95;
const LATE_SHARE = 0.02;

/** Whether the driver, rather than the servers, limited the pace. */
export function driverWasFull(report: LoadReport): boolean {
  return report.driver.busy > BUSY_SHARE || report.forfeited.late > LATE_SHARE * report.published;
}

/** Formats the report as text: one fact per line, at most 100 columns. */
export function formatLoadReport(report: LoadReport): string {
  const { findings, latencyMs, steady, driver, acks } = report;
  const perSecond = (count: number) => (steady.seconds > 0 ? count / steady.seconds : 0).toFixed(0);
  const ms = (value: number) => value.toFixed(2);
  const lines: [string, string][] = [
    ["rooms x members", `${report.rooms} x ${report.members}, ${report.bytes} bytes a message, seed ${report.seed}`],
    ["connections", `${report.connections.joined} joined, ${report.connections.failed} failed`],
    ["published", `${report.published} (${perSecond(steady.published)}/s of ${steady.wantedPerSecond}/s wanted)`],
    ["not sent", `${report.forfeited.late} too late, ${report.forfeited.blocked} blocked`],
    ["acks", `${acks.accepted} accepted, ${acks.refused} refused, ${acks.unanswered} unanswered`],
    ["expected deliveries", String(findings.expected)],
    ["deliveries", `${findings.delivered} (${perSecond(steady.deliveries)}/s)`],
    ["losses", `${findings.losses} (servers told of ${report.reportedLosses})`],
    ["duplicates", String(findings.duplicates)],
    ["order, per room", violations(findings.roomOrderViolations, findings.orderUnchecked)],
    ["order, per publisher", violations(findings.publisherOrderViolations, 0)],
    ["strays", `${findings.strays} (and ${report.foreign} of other runs)`],
    ["refused yet delivered", String(findings.refusedYetDelivered)],
    ["latency p50", `${ms(latencyMs.p50)} ms`],
    ["latency p90", `${ms(latencyMs.p90)} ms`],
    ["latency p99", `${ms(latencyMs.p99)} ms`],
    ["latency p99.9", `${ms(latencyMs.p999)} ms`],
    ["latency max", `${ms(latencyMs.max)} ms`],
    ["errors", byCode(report.errors)],
    ["closes", byCode(report.closes)],
    ["driver", `${(driver.busy * 100).toFixed(0)} % busy, late by at most ${ms(driver.maxLagMs)} ms`],
  ];
  const text = lines.map(([name, value]) => `${name.padEnd(22)}${value}`);
  if (driverWasFull(report)) text.push("The driver itself was the bottleneck: servers may be faster than this shows.");
  text.push(report.ok ? "OK: nothing lost, duplicated or out of order." : "FAILED");
  return text.join("\n");
}

function violations(found: number, unchecked: number): string {
  return `${found} violations${unchecked > 0 ? ` (${unchecked} deliveries too late to be checked)` : ""}`;
}

function byCode(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts);
  return entries.length === 0 ? "none" : entries.map(([code, count]) => `${code}: ${count}`).join(", ");
}

import type { DeliveryFindings } from "../check/delivery-checker.js";
import type { LatencySummary } from "./latency-histogram.js";

/** What a run showed. */
export interface LoadReport {
  /** Nothing lost, duplicated, out of order or astray, and every connection came into its room. */
  readonly ok: boolean;
  readonly urls: readonly string[];
  readonly rooms: number;
  /** Members of each room. */
  readonly members: number;
  readonly bytes: number;
  readonly seed: number;
  /** Connections that came into their rooms, and those that did not. */
  readonly connections: { readonly joined: number; readonly failed: number };
  /** Messages sent, warm-up included. */
  readonly published: number;
  /** Messages that were due and not sent. */
  readonly forfeited: ForfeitedFigures;
  readonly findings: DeliveryFindings;
  /** Answers to publishes, where they were asked for. */
  readonly acks: { readonly accepted: number; readonly refused: number; readonly unanswered: number };
  /** Messages that servers said were missed, with `gap` frames. */
  readonly gapsTold: number;
  /** Messages of other runs that came into the same rooms. */
  readonly foreign: number;
  /** From handing a message to the publisher's socket to reading it from a member's; warm-up left out. */
  readonly latencyMs: LatencySummary;
  /** The part after the warm-up. */
  readonly steady: SteadyFigures;
  readonly driver: DriverFigures;
  /** By error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** By close code; the driver's own goodbyes are left out. */
  readonly closes: Readonly<Record<string, number>>;
}

/** Why messages were not sent that were due, warm-up included. */
export interface ForfeitedFigures {
  /** The driver was too late to catch up. */
  readonly late: number;
  /** No publisher of the room was connected with room in its socket. */
  readonly blocked: number;
}

/** What happened between the warm-up and the last publish. */
export interface SteadyFigures {
  readonly seconds: number;
  readonly wantedPerSecond: number;
  readonly published: number;
  readonly deliveries: number;
}

/** How hard the driver itself worked; what it says about the servers is worth less when it was full. */
export interface DriverFigures {
  /** Share of the steady part that the driver's event loop was busy, 0 to 1. */
  readonly busy: number;
  /** Processor seconds of the driver over the steady part. */
  readonly cpuSeconds: number;
  /** The longest that the pacer came late. */
  readonly maxLagMs: number;
}

/** Beyond either the driver counts as full. */
const BUSY_SHARE = 0.95;
const LATE_SHARE = 0.02;

/** Whether the driver, and not the servers, set the pace. */
export function driverWasFull(report: LoadReport): boolean {
  return report.driver.busy > BUSY_SHARE || report.forfeited.late > LATE_SHARE * report.published;
}

/** The report for people: one fact a line, no line longer than 100 columns. */
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
    ["losses", `${findings.losses} (servers told of ${report.gapsTold})`],
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

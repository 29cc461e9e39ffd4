import type { CmError, ErrorCode, LinkState, LinkStatus } from "@cm/protocol";

/** Where in its life a gateway is. */
export type Phase = "starting" | "serving" | "draining" | "closing";

/** What readiness is judged by. */
export interface HealthSources {
  readonly phase: () => Phase;
  readonly holdsLease: () => boolean;
  /** What is wrong with the store as a whole. */
  readonly fault: () => CmError | undefined;
  readonly link: () => LinkStatus;
}

/** Whether the server should get new connections, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly phase: Phase;
  readonly lease: "held" | "lost";
  /** What else keeps it from being ready: `layout-mismatch` where servers of two layouts share the store. */
  readonly fault: ErrorCode | null;
  readonly link: LinkState;
  /** When the link came to this state, as an ISO 8601 date. */
  readonly linkSince: string;
  /** How long ago messages were last seen to come through, in milliseconds; `null` where not yet. */
  readonly lastProbeMs: number | null;
}

/** The true state at this moment. */
export function readiness(sources: HealthSources): Readiness {
  const phase = sources.phase();
  const lease = sources.holdsLease() ? "held" : "lost";
  const fault = sources.fault()?.code ?? null;
  const { state: link, since, lastProbeMs } = sources.link();
  return {
    ready: phase === "serving" && lease === "held" && fault === null && link === "in-sync",
    phase,
    lease,
    fault,
    link,
    linkSince: new Date(since).toISOString(),
    lastProbeMs: lastProbeMs ?? null,
  };
}

import type { CmError, ErrorCode, LinkState, LinkStatus } from "@cm/protocol";

/**
 * The phase of a node's life cycle. A node is `starting` from its creation, and `closing` from the moment it
 * begins to close, permanently.
 */
export type NodePhase = "starting" | "serving" | "draining" | "closing";

/** Whether a node should get new work, and if not, why. */
export interface Readiness {
  /**
   * Whether the node should get new work: the phase is `serving`, the lease is held (or the node takes none),
   * there is no fault, and the link is `in-sync`.
   */
  readonly ready: boolean;
  /** The current phase of the node's life cycle. */
  readonly phase: NodePhase;
  /** Whether the node holds its lease; `none` for a node that takes no lease. */
  readonly lease: "held" | "lost" | "none";
  /**
   * Another fault that keeps the node from being ready: `layout-mismatch` if servers of two layouts
   * share the store.
   */
  readonly fault: ErrorCode | null;
  /** The state of the link to the store. */
  readonly link: LinkState;
  /** When the link entered this state, as an ISO 8601 date. */
  readonly linkSince: string;
  /** Time since the link last proved that messages arrive, in milliseconds; `null` if it has not done so yet. */
  readonly lastProbeMs: number | null;
}

/** The inputs from which readiness is determined. */
export interface ReadinessSources {
  readonly phase: NodePhase;
  readonly lease: Readiness["lease"];
  readonly fault: CmError | undefined;
  readonly link: LinkStatus;
}

/** Determines whether a node is ready. This is the only place that does. */
export function judgeReadiness({ phase, lease, fault, link }: ReadinessSources): Readiness {
  return {
    ready: phase === "serving" && lease !== "lost" && fault === undefined && link.state === "in-sync",
    phase,
    lease,
    fault: fault?.code ?? null,
    link: link.state,
    linkSince: new Date(link.since).toISOString(),
    lastProbeMs: link.lastProbeMs ?? null,
  };
}

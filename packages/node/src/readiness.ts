import type { CmError, ErrorCode, LinkState, LinkStatus } from "@cm/protocol";

/** Where in its life a node is. `starting` from its creation, `closing` for good once its end began. */
export type NodePhase = "starting" | "serving" | "draining" | "closing";

/** Whether a node should get new work, and if not, why. */
export interface Readiness {
  /** `serving`, the lease held or none wanted, no fault, and the link `in-sync`. */
  readonly ready: boolean;
  /** Where in its life the node is. */
  readonly phase: NodePhase;
  /** `none` for a node that takes no lease. */
  readonly lease: "held" | "lost" | "none";
  /** What else keeps it from being ready: `layout-mismatch` where servers of two layouts share the store. */
  readonly fault: ErrorCode | null;
  /** The state of the link to the store. */
  readonly link: LinkState;
  /** When the link came to this state, as an ISO 8601 date. */
  readonly linkSince: string;
  /** How long ago messages were last seen to come through, in milliseconds; `null` where not yet. */
  readonly lastProbeMs: number | null;
}

/** What readiness is judged by. */
export interface ReadinessSources {
  readonly phase: NodePhase;
  readonly lease: Readiness["lease"];
  readonly fault: CmError | undefined;
  readonly link: LinkStatus;
}

/** The one rule of readiness. */
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

import type { LinkState } from "@cm/protocol";

/** What readiness is judged by. */
export interface HealthSources {
  readonly phase: () => "starting" | "serving" | "closing";
  readonly holdsLease: () => boolean;
  readonly link: () => LinkState;
}

/** Whether the server should get new connections, and if not, why. */
export interface Readiness {
  readonly ready: boolean;
  readonly phase: string;
  readonly lease: "held" | "lost";
  readonly link: LinkState;
}

/** The true state at this moment. */
export function readiness(sources: HealthSources): Readiness {
  const phase = sources.phase();
  const lease = sources.holdsLease() ? "held" : "lost";
  const link = sources.link();
  return { ready: phase === "serving" && lease === "held" && link === "in-sync", phase, lease, link };
}

import type { ServerIncarnation } from "@cm/protocol";

/**
 * The name of a holder: `<server id>.<incarnation>`. Server ids contain no dot, so two incarnations never share a
 * name.
 */
export function holderName({ serverId, incarnation }: ServerIncarnation): string {
  return `${serverId}.${incarnation}`;
}

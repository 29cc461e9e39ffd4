import type { FaultProxy, RedisServer } from "@cm/test-kit";
import { expect } from "vitest";

/** Keeps the replicas connected to their master, which is behind the proxy, but without any further data. */
export async function holdReplication(
  master: RedisServer,
  proxy: FaultProxy | undefined,
  replicas: number,
): Promise<void> {
  const clients = String(await master.ask("CLIENT", "LIST", "TYPE", "REPLICA"));
  const ports = [...clients.matchAll(/ addr=127\.0\.0\.1:(\d+) /g)].map((match) => Number(match[1]));
  const links = (proxy?.links ?? []).filter(({ serverSeesPort }) => ports.includes(serverSeesPort ?? 0));
  expect(links).toHaveLength(replicas);
  for (const link of links) link.set({ kind: "hang", drop: "to-client" });
}

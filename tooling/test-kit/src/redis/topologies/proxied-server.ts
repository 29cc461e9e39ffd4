import { type FaultProxy, startFaultProxy } from "../../faults/fault-proxy.js";
import { type RedisServer, startServer } from "./redis-server.js";

/** A data node and, where it was asked for, the proxy whose address it announces. */
export interface ProxiedServer {
  readonly server: RedisServer;
  readonly proxy: FaultProxy | undefined;
  /** The port where clients and other servers reach it: the proxy's, or its own. */
  readonly announcedPort: number;
  /** Ends both. Idempotent. */
  close(): Promise<void>;
}

/** Starts a data node; `argsFor` learns the port that it has to announce. */
export async function startProxiedServer(
  proxied: boolean,
  argsFor: (announcedPort: number) => readonly string[] | Promise<readonly string[]>,
): Promise<ProxiedServer> {
  let proxy: FaultProxy | undefined;
  try {
    const server = await startServer(async (port) => {
      // Asked again where the port was taken after all.
      await proxy?.close();
      proxy = proxied ? await startFaultProxy(port) : undefined;
      return argsFor(proxy?.port ?? port);
    });
    return {
      server,
      proxy,
      announcedPort: proxy?.port ?? server.port,
      async close() {
        await Promise.all([server.close(), proxy?.close()]);
      },
    };
  } catch (error) {
    await proxy?.close();
    throw error;
  }
}

/** The proxies of all nodes, in their order; none where they were not asked for. */
export function proxiesOf(nodes: readonly ProxiedServer[]): FaultProxy[] {
  return nodes.flatMap(({ proxy }) => (proxy === undefined ? [] : [proxy]));
}

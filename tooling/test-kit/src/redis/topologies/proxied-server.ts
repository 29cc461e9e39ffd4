import { type FaultProxy, startFaultProxy } from "../../faults/fault-proxy.js";
import { type RedisServer, startServer } from "./redis-server.js";

/** A data node and, if requested, the proxy whose address it announces. */
export interface ProxiedServer {
  readonly server: RedisServer;
  readonly proxy: FaultProxy | undefined;
  /**
   * The port that clients and other servers connect to: the proxy's port if there is a proxy, otherwise the
   * node's port.
   */
  readonly announcedPort: number;
  /** Ends the node and the proxy. Idempotent. */
  close(): Promise<void>;
}

/** Starts a data node. `argsFor` gets the port that the node must announce. */
export async function startProxiedServer(
  proxied: boolean,
  argsFor: (announcedPort: number) => readonly string[] | Promise<readonly string[]>,
): Promise<ProxiedServer> {
  let proxy: FaultProxy | undefined;
  try {
    const server = await startServer(async (port) => {
      // Close the proxy of an earlier attempt: this function is called again if a port turned out to be taken.
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

/** Returns the proxies of all nodes, in the order of the nodes; empty if none were requested. */
export function proxiesOf(nodes: readonly ProxiedServer[]): FaultProxy[] {
  return nodes.flatMap(({ proxy }) => (proxy === undefined ? [] : [proxy]));
}

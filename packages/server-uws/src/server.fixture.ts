import { serverStarter, type TestServer } from "@cm/contract-tests/transport";
import type { UwsServerOptions } from "./options.js";
import { createUwsServer, type UwsServer } from "./server.js";

/** A running server of this package and the events that it recorded. */
export interface UwsTestServer extends TestServer {
  readonly server: UwsServer<string>;
}

/** Starts a server that is closed at the end of the test. */
export async function startServer(options: Partial<UwsServerOptions<string>> = {}): Promise<UwsTestServer> {
  const { sharePort, ...others } = options;
  let resolve: (server: UwsServer<string>) => void = () => undefined;
  const made = new Promise<UwsServer<string>>((yes) => {
    resolve = yes;
  });
  const started = await serverStarter((all) => {
    const server = createUwsServer({ ...all, sharePort });
    resolve(server);
    return server;
  })(others);
  return { ...started, server: await made };
}

import type { GatewayOptions } from "../gateway-options.js";
import { createGateway, type Gateway } from "../index.js";

/** A gateway that listens on two free ports. */
export interface AdminGateway {
  readonly gateway: Gateway;
  /** The clients' port, for HTTP. */
  readonly url: string;
  readonly wsUrl: string;
  readonly adminPort: number;
  /** The port for operators. */
  readonly adminUrl: string;
}

/** Starts a gateway with the port for operators that takes the user from the query. The caller closes it. */
export async function startAdminGateway(options: Partial<GatewayOptions> = {}): Promise<AdminGateway> {
  let adminPort = 0;
  const gateway = createGateway({
    port: 0,
    authenticate: ({ query }) => ({ userId: new URLSearchParams(query).get("user") ?? "" }),
    admin: { port: 0 },
    logger: {
      info: (fields) => {
        if (typeof fields.adminPort === "number") adminPort = fields.adminPort;
      },
      warn: () => undefined,
      error: () => undefined,
      droppedLines: () => 7,
    },
    ...options,
  });
  const { port } = await gateway.start();
  const url = `http://127.0.0.1:${port}`;
  return { gateway, url, wsUrl: `ws://127.0.0.1:${port}/ws`, adminPort, adminUrl: `http://127.0.0.1:${adminPort}` };
}

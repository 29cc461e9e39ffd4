import type { TemplatedApp, us_listen_socket } from "uWebSockets.js";
import { createServer } from "node:net";
import type { CmError } from "@cm/protocol";
import { listenFailure } from "@cm/transport";
import { LISTEN_MODE, type Native } from "../native-library.js";

/** The address to listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  readonly sharePort: boolean;
}

/** A native socket that accepts connections. */
export interface Listening {
  readonly port: number;
  readonly socket: us_listen_socket;
}

/** An overload of the native layer that is missing in its type declarations. */
interface ListenByAddress {
  listen(
    host: string,
    port: number,
    options: number,
    callback: (socket: us_listen_socket | false) => void,
  ): TemplatedApp;
}

/**
 * Starts listening.
 *
 * @throws CmError `port-in-use` if another process has the port, `options-invalid` if the address can't be used
 * (not of this machine, or not permitted), `unavailable` if it may become available later.
 */
export async function listen(native: Native, app: TemplatedApp, address: ListenAddress): Promise<Listening> {
  const { host, port, sharePort } = address;
  const mode = sharePort ? LISTEN_MODE.shared : LISTEN_MODE.exclusive;
  // The type declarations lack this overload; see ListenByAddress.
  const byAddress = app as unknown as ListenByAddress;
  let socket: us_listen_socket | false = false;
  // The callback is called before the call returns.
  byAddress.listen(host, port, mode, (result) => {
    socket = result;
  });
  // Cast, because the compiler does not take the assignment in the callback into account.
  const opened = socket as us_listen_socket | false;
  if (opened === false) throw await failure(address);
  return { socket: opened, port: native.us_socket_local_port(opened) };
}

/**
 * Returns the reason for a failed attempt to listen. The native layer only reports that it failed, so Node.js
 * tries the same address and reports the reason.
 */
async function failure(address: ListenAddress): Promise<CmError> {
  const { host, port } = address;
  const code = await new Promise<string | undefined>((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "unknown"));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
  return listenFailure(address, code);
}

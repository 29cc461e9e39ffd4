import { CmError } from "@cm/protocol";
import type { ListeningAddress } from "../transport-server.js";

/**
 * Returns the error for a failed attempt to listen. `code` is the error code that Node.js reported when it tried
 * to listen on the same address; `undefined` if Node.js succeeded.
 */
export function listenFailure({ host, port }: ListeningAddress, code: string | undefined): CmError {
  const where = `${host}:${port}`;
  const details = { host, port, cause: code ?? "unknown" };
  switch (code) {
    case "EADDRINUSE":
      return new CmError("port-in-use", `Another process is listening on ${where}.`, { details });
    case "EACCES":
    case "EPERM": {
      const message = `This process may not listen on ${where} (${code}): low ports need root or CAP_NET_BIND_SERVICE.`;
      return new CmError("options-invalid", message, { details });
    }
    case "EADDRNOTAVAIL":
      return new CmError("options-invalid", `${host} is not an address of this machine (${code}).`, { details });
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new CmError("options-invalid", `The host name ${host} can't be resolved (${code}).`, { details });
    case "EMFILE":
    case "ENFILE":
      return new CmError("unavailable", `The server can't listen on ${where}: too many open files (${code}).`, {
        details,
      });
    case undefined:
      return new CmError("unavailable", `The server could not listen on ${where}, although the address is free now.`, {
        details,
      });
    default:
      return new CmError("options-invalid", `The server can't listen on ${where} (${code}).`, { details });
  }
}

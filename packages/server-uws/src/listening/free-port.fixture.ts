import type { TemplatedApp } from "uWebSockets.js";
import type { Native } from "../native-library.js";

/** Makes an App listen on a free port of the loopback address. Resolves with the port. */
export function listenOnFreePort(native: Native, app: TemplatedApp): Promise<number> {
  return new Promise((resolve, reject) => {
    app.listen("127.0.0.1", 0, (listening) =>
      listening === false ? reject(new Error("can't listen")) : resolve(native.us_socket_local_port(listening)),
    );
  });
}

import { randomInt } from "node:crypto";
import { createServer } from "node:net";

// Range of the ports. It lies below Linux's range for outgoing connections (32768 and up), so that no outgoing
// connection can occupy the port before the new process listens on it.
const LOWEST = 20_000;
const HIGHEST = 32_000;

/** Returns a loopback port that nothing listens on at the moment. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
  throw new Error("No free loopback port was found in 100 tries.");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

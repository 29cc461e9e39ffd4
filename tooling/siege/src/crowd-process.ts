import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { CrowdOrder, CrowdReport, FloodOrder, OpenOrder } from "./crowd-orders.js";

const MAIN = fileURLToPath(new URL("./crowd-main.js", import.meta.url));

/** Many connections in their own process, so that their traffic does not delay the measuring process. */
export class Crowd {
  readonly #process: ChildProcess;
  /** Rejects when the process has ended. All orders share this promise and its listener. */
  readonly #gone: Promise<never>;

  constructor() {
    this.#process = fork(MAIN, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#gone = once(this.#process, "exit").then(() => {
      throw new Error("The crowd's process ended.");
    });
    this.#gone.catch(() => undefined);
  }

  /** Opens connections. Resolves once each connection has joined its rooms or has ended. */
  open(order: Partial<Omit<OpenOrder, "type">> & Pick<OpenOrder, "wsUrl" | "count" | "user">): Promise<CrowdReport> {
    return this.#order({ type: "open", isOneUser: false, rooms: [], atOnce: 100, stalls: false, ...order });
  }

  /** Sends a frame `perSecond` times per second on every connection, for `seconds`. */
  flood(order: Omit<FloodOrder, "type">): Promise<CrowdReport> {
    return this.#order({ type: "flood", ...order });
  }

  /** Cuts every connection at once. */
  vanish(): Promise<CrowdReport> {
    return this.#order({ type: "vanish" });
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill("SIGKILL");
    await this.#gone.catch(() => undefined);
  }

  async #order(order: CrowdOrder): Promise<CrowdReport> {
    const answered = once(this.#process, "message");
    this.#process.send(order);
    const [report] = await Promise.race([answered, this.#gone]);
    return report as CrowdReport; // The report that crowd-main.ts sends.
  }
}

import { CmError, QUESTION_MAX_BYTES, type ServerOperation, type ServerRegistry } from "@cm/protocol";
import type { Answer } from "./pending-requests.js";
import { within } from "./promise-timeout.js";

/** The responses of the cluster to one question. */
export interface GatheredAnswers {
  /** The responses by server id. */
  readonly answers: ReadonlyMap<string, Uint8Array>;
  /** Ids of living servers that did not respond in time, could not be reached, or refused. */
  readonly missing: readonly string[];
}

/** Options of {@link ScatterGather}. */
export interface ScatterGatherOptions {
  readonly servers: Pick<ServerRegistry, "snapshot">;
  readonly serverId: string;
  /** Throws `pending-limit` if there is no capacity to wait for this many responses. */
  readonly requireCapacity: (count: number) => void;
  /** Sends the question to one server, which may be this one. */
  readonly ask: (serverId: string, operation: ServerOperation, timeoutMs: number) => Promise<Answer>;
}

/** Maximum number of concurrent questions; bounds the memory for their responses. */
const MAX_RUNNING = 32;

/** Sends one question to every living server and collects the responses. */
export class ScatterGather {
  readonly #options: ScatterGatherOptions;
  #running = 0;

  constructor(options: ScatterGatherOptions) {
    this.#options = options;
  }

  /**
   * Sends the question to every living server, and always to this server, even if its lease is not written
   * yet. The timeout begins with the call. Rejects with `timeout` if the registry does not respond in time.
   */
  async ask(question: Uint8Array, timeoutMs: number): Promise<GatheredAnswers> {
    if (question.length > QUESTION_MAX_BYTES) {
      throw new CmError("payload-too-large", `A question is larger than ${QUESTION_MAX_BYTES} bytes.`, {
        details: { maxBytes: QUESTION_MAX_BYTES },
      });
    }
    if (this.#running >= MAX_RUNNING) {
      throw new CmError("pending-limit", "Too many questions are waiting for answers.", {
        details: { max: MAX_RUNNING },
      });
    }
    this.#running++;
    try {
      return await this.#ask(question, performance.now() + timeoutMs);
    } finally {
      this.#running--;
    }
  }

  async #ask(question: Uint8Array, deadline: number): Promise<GatheredAnswers> {
    const { servers, serverId, requireCapacity, ask } = this.#options;
    const reading = servers.snapshot({ idsOnly: true });
    const registry = await within(reading, deadline - performance.now(), () => undefined);
    if (registry === undefined) throw new CmError("timeout", "The registry did not respond within the timeout.");
    const ids = [...new Set([serverId, ...registry.living.map((server) => server.serverId)])];
    // Send to all servers or to none: if the question reached only some servers for lack of capacity, the
    // result would look complete.
    requireCapacity(ids.length - 1);
    const leftMs = Math.max(1, deadline - performance.now());
    const answers = new Map<string, Uint8Array>();
    const missing: string[] = [];
    const settled = await Promise.allSettled(ids.map((id) => ask(id, { type: "question", question }, leftMs)));
    ids.forEach((id, i) => {
      const result = settled[i];
      if (result?.status === "fulfilled" && result.value.type === "done") answers.set(id, result.value.body);
      else missing.push(id);
    });
    return { answers, missing };
  }
}

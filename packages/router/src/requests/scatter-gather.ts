import { CmError, QUESTION_MAX_BYTES, type ServerOperation, type ServerRegistry } from "@cm/protocol";
import type { Answer } from "./pending-requests.js";

/** The answers of the cluster to one question. */
export interface GatheredAnswers {
  /** By server id. */
  readonly answers: ReadonlyMap<string, Uint8Array>;
  /** Ids of living servers that did not answer in time, could not be reached, or refused. */
  readonly missing: readonly string[];
}

/** What {@link ScatterGather} needs. */
export interface ClusterQuestionOptions {
  readonly servers: Pick<ServerRegistry, "snapshot">;
  readonly serverId: string;
  /** Throws `pending-limit` where there is no room to wait for all answers. */
  readonly requireRoom: (count: number) => void;
  /** Asks one server, this one too. */
  readonly ask: (serverId: string, operation: ServerOperation, timeoutMs: number) => Promise<Answer>;
}

/** Concurrent questions: bounds the memory that their answers take. */
const MAX_RUNNING = 32;

/** Sends one question to every living server and gathers the answers. */
export class ScatterGather {
  readonly #options: ClusterQuestionOptions;
  #running = 0;

  constructor(options: ClusterQuestionOptions) {
    this.#options = options;
  }

  /**
   * Asks every living server, this one among them: also one whose lease is not written
   * yet. The time counts from the call on.
   */
  async ask(question: Uint8Array, timeoutMs: number): Promise<GatheredAnswers> {
    if (question.length > QUESTION_MAX_BYTES) {
      throw new CmError("payload-too-large", `A question is larger than ${QUESTION_MAX_BYTES} bytes.`, {
        details: { maxBytes: QUESTION_MAX_BYTES },
      });
    }
    if (this.#running >= MAX_RUNNING) {
      throw new CmError("pending-limit", "Too many questions to the cluster are waiting for answers.", {
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
    const { servers, serverId, requireRoom, ask } = this.#options;
    const { living } = await servers.snapshot({ idsOnly: true });
    const ids = [...new Set([serverId, ...living.map((server) => server.serverId)])];
    // All or none: a question that reached some only for want of room would look answered.
    requireRoom(ids.length - 1);
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

import type { Membership, NewConnection } from "@cm/membership";
import { CmError } from "@cm/protocol";
import { PacedTasks } from "./paced-tasks.js";

/**
 * Maximum number of connections that are registered at a time. The store's responses for them arrive together, and
 * each is followed by a welcome and often a join: about 10 ms of work in one turn.
 */
const AT_ONCE_MAX = 100;

/**
 * Maximum time for which a registration waits for others, in milliseconds. That many registrations wait only if the
 * store hangs, or if far more clients come at once than a server can take.
 */
const WAIT_MAX_MS = 5_000;

/** Registers connections; if thousands connect together, a limited number at a time. */
export class PacedRegistrations implements Pick<Membership, "open"> {
  readonly #membership: Pick<Membership, "open">;
  readonly #monotonicMs: () => number;
  readonly #tasks = new PacedTasks(AT_ONCE_MAX);

  constructor(membership: Pick<Membership, "open">, monotonicMs: () => number) {
    this.#membership = membership;
    this.#monotonicMs = monotonicMs;
  }

  /** Same as {@link Membership.open}. Also rejects with `unavailable` if the registration has waited too long. */
  open(connection: NewConnection): Promise<void> {
    const beganAt = this.#monotonicMs();
    return new Promise((resolve, reject) => {
      this.#tasks.run(1, async () => {
        if (this.#monotonicMs() - beganAt > WAIT_MAX_MS) {
          reject(new CmError("unavailable", "Too many clients are connecting; try again later."));
          return;
        }
        await this.#membership.open(connection).then(resolve, reject);
      });
    });
  }
}

import type { UserDirectory, UserState } from "@cm/protocol";

/** The maximum number of users that the `UserDirectory` contract reads in one call. */
const STATES_MAX = 1_000;

interface Request {
  readonly userIds: readonly string[];
  readonly resolve: (states: UserState[]) => void;
  readonly reject: (cause: unknown) => void;
}

/** Reads states of users. Reads that are requested before the next microtask runs share their round trips. */
export class UserStateReader {
  readonly #users: Pick<UserDirectory, "states">;
  #requests: Request[] = [];

  constructor(users: Pick<UserDirectory, "states">) {
    this.#users = users;
  }

  /** Reads states in the order of `userIds`. More than 1,000 users are not all read at the same moment. */
  read(userIds: readonly string[]): Promise<UserState[]> {
    if (userIds.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      if (this.#requests.length === 0) queueMicrotask(() => void this.#flush());
      this.#requests.push({ userIds, resolve, reject });
    });
  }

  async #flush(): Promise<void> {
    const requests = this.#requests;
    this.#requests = [];
    const all = requests.flatMap(({ userIds }) => userIds);
    const chunks: Promise<UserState[]>[] = [];
    for (let from = 0; from < all.length; from += STATES_MAX) {
      chunks.push(this.#states(all.slice(from, from + STATES_MAX)));
    }
    const results = await Promise.allSettled(chunks);
    let from = 0;
    for (const { userIds, resolve, reject } of requests) {
      const to = from + userIds.length;
      const own = results.slice(Math.floor(from / STATES_MAX), Math.ceil(to / STATES_MAX));
      const failed = own.find((result) => result.status === "rejected");
      if (failed === undefined) {
        const first = Math.floor(from / STATES_MAX) * STATES_MAX;
        const states = own.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
        resolve(states.slice(from - first, to - first));
      } else {
        reject(failed.reason);
      }
      from = to;
    }
  }

  /** Turns a synchronous throw of the store into a rejection; otherwise all reads of the batch would wait forever. */
  async #states(userIds: readonly string[]): Promise<UserState[]> {
    return this.#users.states(userIds);
  }
}

import type { UserDirectory } from "../contracts/user-directory.js";

/**
 * Resolves with the ids of a user's living connections, in no particular order. Rejects with the errors of
 * `UserDirectory.states`.
 */
export async function connectionIdsOf(users: Pick<UserDirectory, "states">, userId: string): Promise<string[]> {
  const states = await users.states([userId], { idsOnly: true });
  return states.flatMap(({ connections }) => connections.map(({ connectionId }) => connectionId));
}

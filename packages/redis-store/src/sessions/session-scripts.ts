import type { GameState, SessionRecord } from "@cm/protocol";
import { defineScript, type Fenced, toNumber, toStrings, toWritten } from "../scripts/script.js";

/** The keys of one game's session, and the game's id. */
export interface SessionKeys {
  readonly session: string;
  readonly sessions: string;
  readonly room: string;
}

/** How moving a session to another state ended. */
export type Transition =
  | { readonly outcome: "moved"; readonly record: Omit<SessionRecord, "id" | "state"> }
  | { readonly outcome: "refused"; readonly from: string }
  | { readonly outcome: "missing" };

export const sessionTransition = defineScript(
  "session-transition",
  (input: SessionKeys & { readonly to: GameState; readonly from: readonly GameState[]; readonly ttlMs: number }) => ({
    keys: [input.session, input.sessions],
    args: [input.room, input.to, input.ttlMs, ...input.from],
  }),
  (reply): Transition => {
    const [moved, first = "", lastActivity, serverInstance = ""] = toStrings(reply);
    if (moved === undefined) return { outcome: "missing" };
    if (moved === "0") return { outcome: "refused", from: first };
    const record = { createdAt: Number(first), lastActivity: Number(lastActivity), serverInstance };
    return { outcome: "moved", record };
  },
);

export const sessionTouch = defineScript(
  "session-touch",
  (input: SessionKeys & { readonly ttlMs: number }) => ({
    keys: [input.session, input.sessions],
    args: [input.room, input.ttlMs],
  }),
  (reply) => toNumber(reply) === 1,
);

/** Games of one partition. */
export const sessionRestore = defineScript(
  "session-restore",
  (
    input: Fenced & {
      readonly sessions: string;
      readonly ttlMs: number;
      readonly games: readonly (SessionRecord & { readonly session: string; readonly members: string })[];
    },
  ) => ({
    keys: [input.sessions, ...input.games.flatMap(({ session, members }) => [session, members])],
    args: [
      input.fenceMs,
      input.ttlMs,
      ...input.games.flatMap(({ id, state, createdAt, lastActivity, serverInstance }) => [
        id,
        state,
        createdAt,
        lastActivity,
        serverInstance,
      ]),
    ],
  }),
  toWritten,
);

export const sessionCount = defineScript(
  "session-count",
  (input: { readonly sessions: string }) => ({ keys: [input.sessions], args: [] }),
  toNumber,
);

import { CmError, type Result } from "@cm/protocol";
import { matchesPattern, type NamePattern, parsePattern } from "./pattern.js";

/**
 * What a user may do, as the claim of a token lists it. Each entry is a pattern: `*` stands
 * for any characters, `{user}` for the user's own id. What is not listed is denied.
 */
export interface RightsClaim {
  /** Rooms that the user may join. */
  readonly join?: readonly string[];
  /** Rooms, among those that the user is in, to which it may publish. */
  readonly publish?: readonly string[];
  /** Rooms whose roster the user may read. */
  readonly members?: readonly string[];
  /** Users to whom the user may send. `*` alone allows every user and every connection. */
  readonly send?: readonly string[];
  /** Users of whom the user may know whether they are online. */
  readonly presence?: readonly string[];
}

/** What rights are about. */
export const ACTIONS = [
  "join",
  "publish",
  "members",
  "send",
  "presence",
] as const satisfies readonly (keyof RightsClaim)[];

/** One of {@link ACTIONS}. */
export type Action = (typeof ACTIONS)[number];

/** The most patterns that a token lists for one action. */
export const PATTERNS_MAX = 64;

/** The longest pattern, in UTF-16 code units: that of a name with wildcards around it. */
export const PATTERN_MAX_LENGTH = 512;

/** The most wildcards in one pattern: matching costs a search of the name for each. */
export const WILDCARDS_MAX = 4;

/** What a user may do. */
export class Rights {
  readonly #patterns: Readonly<Record<Action, readonly NamePattern[]>>;

  private constructor(patterns: Readonly<Record<Action, readonly NamePattern[]>>) {
    this.#patterns = patterns;
  }

  /** Reads a claim. An absent one allows nothing. Code: `unauthorized`. */
  static parse(claim: unknown, userId: string): Result<Rights> {
    const patterns: Record<Action, readonly NamePattern[]> = {
      join: [],
      publish: [],
      members: [],
      send: [],
      presence: [],
    };
    if (claim === undefined) return { ok: true, value: new Rights(patterns) };
    if (typeof claim !== "object" || claim === null || Array.isArray(claim)) return refused("an object");
    for (const [action, list] of Object.entries(claim)) {
      // Later servers may know more rights; one that is not known here allows nothing.
      if (!isAction(action)) continue;
      if (!isPatternList(list)) {
        return refused(
          `an object whose ${action} is a list of at most ${PATTERNS_MAX} patterns, each of at most ${PATTERN_MAX_LENGTH} characters and ${WILDCARDS_MAX} wildcards`,
        );
      }
      patterns[action] = list.map((pattern) => parsePattern(pattern, userId));
    }
    return { ok: true, value: new Rights(patterns) };
  }

  /** Whether the user may do this to the room or user of that name. */
  allows(action: Action, name: string): boolean {
    return this.#patterns[action].some((pattern) => matchesPattern(pattern, name));
  }

  /** Whether the user may do this whatever the name. */
  allowsAll(action: Action): boolean {
    return this.#patterns[action].some((texts) => texts.length > 1 && texts.every((text) => text === ""));
  }
}

function isAction(name: string): name is Action {
  return (ACTIONS as readonly string[]).includes(name);
}

function isPatternList(list: unknown): list is readonly string[] {
  if (!Array.isArray(list) || list.length > PATTERNS_MAX) return false;
  return list.every((pattern: unknown) => {
    if (typeof pattern !== "string" || pattern.length > PATTERN_MAX_LENGTH) return false;
    return pattern.split("*").length - 1 <= WILDCARDS_MAX;
  });
}

function refused(expected: string): Result<never> {
  return { ok: false, error: new CmError("unauthorized", `The token's rights must be ${expected}.`) };
}

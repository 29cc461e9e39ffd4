import { CmError, type Result } from "@cm/protocol";
import { matchesPattern, type NamePattern, parsePattern } from "./name-pattern.js";

/**
 * The user's rights, as listed in a claim of the token. Each entry is a pattern: `*` matches any number of
 * characters, `{user}` matches the user's own id. An action on a name that no pattern matches is denied.
 */
export interface RightsClaim {
  /** Rooms that the user may join. */
  readonly join?: readonly string[];
  /** Rooms that the user may publish to while being a member. */
  readonly publish?: readonly string[];
  /** Rooms whose roster the user may read. */
  readonly members?: readonly string[];
  /** Users to whom the user may send. `*` alone allows sending to every user and every connection. */
  readonly send?: readonly string[];
  /** Users whose presence the user may read. */
  readonly presence?: readonly string[];
}

/** The actions that rights apply to. */
export const ACTIONS = [
  "join",
  "publish",
  "members",
  "send",
  "presence",
] as const satisfies readonly (keyof RightsClaim)[];

/** One of {@link ACTIONS}. */
export type Action = (typeof ACTIONS)[number];

/** The maximum number of patterns that a token lists for one action. */
export const PATTERNS_MAX = 64;

/**
 * The maximum length of a pattern, in UTF-16 code units. A pattern can contain the longest name (255 bytes) and
 * wildcards.
 */
export const PATTERN_MAX_LENGTH = 512;

/** The maximum number of wildcards in one pattern. Each wildcard costs one search of the name. */
export const WILDCARDS_MAX = 4;

/** The rights of a user. */
export class Rights {
  readonly #patterns: Readonly<Record<Action, readonly NamePattern[]>>;

  private constructor(patterns: Readonly<Record<Action, readonly NamePattern[]>>) {
    this.#patterns = patterns;
  }

  /**
   * Parses a claim. An absent claim allows nothing. Returns an `unauthorized` error if the claim is
   * malformed.
   */
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
      // Ignore unknown actions, because later versions may have more of them; they allow nothing here.
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

  /** Whether the user may perform the action on the room or user of that name. */
  allows(action: Action, name: string): boolean {
    return this.#patterns[action].some((pattern) => matchesPattern(pattern, name));
  }

  /** Whether the user may perform the action on every name. */
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

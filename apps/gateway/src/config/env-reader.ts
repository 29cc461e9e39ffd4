import { CmError } from "@cm/protocol";
import { isHost } from "./host.js";

/** Reads variables one by one and collects what is wrong with them, so that all of it is told at once. */
export class EnvReader {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #problems: string[] = [];
  readonly #bad = new Set<string>();
  readonly #warnings: string[] = [];
  readonly #asked = new Set<string>();

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** Whether the variable is set, be it to nothing. */
  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  /** The trimmed value; an empty one counts as not set. */
  text(name: string): string | undefined {
    const value = this.#get(name)?.trim();
    return value === "" ? undefined : value;
  }

  /** The value as it is, with blanks at its ends; an empty one counts as not set. */
  raw(name: string): string | undefined {
    const value = this.#get(name);
    return value === "" ? undefined : value;
  }

  /** `true` or `false`. */
  flag(name: string, fallback: boolean): boolean {
    return this.oneOf(name, String(fallback), ["true", "false"]) === "true";
  }

  wholeNumber(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    this.problem(name, `must be a whole number from ${min} to ${max}, and is ${quoted(value)}`);
    return fallback;
  }

  oneOf<T extends string>(name: string, fallback: T, allowed: readonly T[]): T {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    this.problem(name, `must be one of ${allowed.join(", ")}, and is ${quoted(value)}`);
    return fallback;
  }

  /** An IP address or host name. */
  host(name: string, fallback: string): string {
    const value = this.text(name);
    if (value === undefined) return fallback;
    if (isHost(value)) return value;
    // Not repeated: it may be a URL with a password.
    this.problem(name, "must be an IP address or a host name");
    return fallback;
  }

  problem(name: string, what: string): void {
    this.#problems.push(`${name} ${what}`);
    this.#bad.add(name);
  }

  /** Whether none of the variables has a problem so far: what depends on them can be judged. */
  areGood(...names: readonly string[]): boolean {
    return names.every((name) => !this.#bad.has(name));
  }

  /** A problem that does not prevent the start, but that the operator should know of. */
  warn(what: string): void {
    this.#warnings.push(what);
  }

  /** Names that were asked for so far. */
  get asked(): readonly string[] {
    return [...this.#asked];
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  #get(name: string): string | undefined {
    this.#asked.add(name);
    return this.#env[name];
  }

  /** Throws `config-invalid` naming every problem, if there was one. */
  finish(): void {
    if (this.#problems.length === 0) return;
    throw new CmError("config-invalid", `The configuration can't be used: ${this.#problems.join("; ")}.`, {
      details: { problems: this.#problems },
    });
  }
}

/** On one line, and not too long. */
function quoted(value: string): string {
  return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
}

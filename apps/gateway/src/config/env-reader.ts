import { CmError } from "@cm/protocol";
import { isHost } from "./host-validation.js";

/** Reads variables one by one and collects all problems, so that they can be reported together. */
export class EnvReader {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #problems: string[] = [];
  readonly #bad = new Set<string>();
  readonly #warnings: string[] = [];
  readonly #asked = new Set<string>();

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** Whether the variable is set, even if it is empty. */
  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  /** The trimmed value; `undefined` if it is empty or not set. */
  text(name: string): string | undefined {
    const value = this.#get(name)?.trim();
    return value === "" ? undefined : value;
  }

  /** The value with leading and trailing blanks; `undefined` if it is empty or not set. */
  raw(name: string): string | undefined {
    const value = this.#get(name);
    return value === "" ? undefined : value;
  }

  /** The trimmed entries of a comma-separated list, without empty ones; empty if the variable is not set. */
  list(name: string): string[] {
    const entries = (this.text(name) ?? "").split(",").map((entry) => entry.trim());
    return entries.filter((entry) => entry !== "");
  }

  /** Reads `true` or `false`. */
  flag(name: string, fallback: boolean): boolean {
    return this.oneOf(name, String(fallback), ["true", "false"]) === "true";
  }

  wholeNumber(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    this.problem(name, `must be a whole number from ${min} to ${max}, but is ${quoted(value)}`);
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

  /** Reads an IP address or host name. */
  host(name: string, fallback: string): string {
    const value = this.text(name);
    if (value === undefined) return fallback;
    if (isHost(value)) return value;
    // Do not quote the value: it may be a URL with a password.
    this.problem(name, "must be an IP address or a host name");
    return fallback;
  }

  problem(name: string, what: string): void {
    this.#problems.push(`${name} ${what}`);
    this.#bad.add(name);
  }

  /** Whether none of these variables has a problem so far, so that checks that depend on them make sense. */
  areGood(...names: readonly string[]): boolean {
    return names.every((name) => !this.#bad.has(name));
  }

  /** Reports a problem that does not prevent the start, but that the operator should know about. */
  warn(what: string): void {
    this.#warnings.push(what);
  }

  /** Names of the variables that have been read so far. */
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

  /** Throws `config-invalid` with every problem, if there are any. */
  finish(): void {
    if (this.#problems.length === 0) return;
    throw new CmError("config-invalid", `The configuration can't be used: ${this.#problems.join("; ")}.`, {
      details: { problems: this.#problems },
    });
  }
}

/** The value on one line, cut off after 40 characters. */
function quoted(value: string): string {
  return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
}

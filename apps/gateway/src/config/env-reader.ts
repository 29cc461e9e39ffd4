import { CmError } from "@cm/protocol";

/** Reads variables one by one and collects what is wrong with them, so that all of it is told at once. */
export class EnvReader {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #problems: string[] = [];

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  /** The trimmed value; an empty one counts as not set. */
  text(name: string): string | undefined {
    const value = this.#env[name]?.trim();
    return value === "" ? undefined : value;
  }

  wholeNumber(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    this.problem(name, `must be a whole number from ${min} to ${max}, and is "${value}"`);
    return fallback;
  }

  oneOf<T extends string>(name: string, fallback: T, allowed: readonly T[]): T {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    this.problem(name, `must be one of ${allowed.join(", ")}, and is "${value}"`);
    return fallback;
  }

  list(name: string): string[] | undefined {
    return this.text(name)
      ?.split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  }

  problem(name: string, what: string): void {
    this.#problems.push(`${name} ${what}`);
  }

  /** Throws `config-invalid` naming every problem, if there was one. */
  finish(): void {
    if (this.#problems.length === 0) return;
    throw new CmError("config-invalid", `The configuration can't be used: ${this.#problems.join("; ")}.`, {
      details: { problems: this.#problems },
    });
  }
}

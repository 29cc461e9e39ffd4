import { readFileSync } from "node:fs";
import type { TokenSource, TokenVerifierOptions } from "@cm/auth";
import type { EnvReader } from "./env-reader.js";

const SOURCES: readonly TokenSource[] = ["authorization", "subprotocol", "query", "cookie"];

/**
 * The variables that set the key for verifying tokens. If any of them is set, clients must authenticate with
 * tokens.
 */
const KEYS = ["TOKEN_SECRET", "TOKEN_PUBLIC_KEY", "TOKEN_PUBLIC_KEY_FILE", "TOKEN_JWKS_URL"] as const;

/** Reads the token settings; `undefined` if no key for verifying tokens is set. */
export function readTokens(reader: EnvReader): TokenVerifierOptions | undefined {
  const given = KEYS.filter((name) => reader.text(name) !== undefined);
  const sources = readSources(reader);
  const clockToleranceMs = 1000 * reader.wholeNumber("TOKEN_CLOCK_TOLERANCE_SECONDS", 5, 0, 600);
  const issuer = reader.text("TOKEN_ISSUER");
  const audience = reader.text("TOKEN_AUDIENCE");
  const queryName = reader.text("TOKEN_QUERY");
  const cookieName = reader.text("TOKEN_COOKIE");
  const [key, second] = given;
  if (key === undefined) return undefined;
  if (second !== undefined) {
    reader.problem(second, `can't be given beside ${key}`);
    return undefined;
  }
  return {
    // Do not trim the value: blanks may be part of a secret.
    secret: reader.raw("TOKEN_SECRET"),
    publicKey: reader.text("TOKEN_PUBLIC_KEY")?.replaceAll("\\n", "\n") ?? readKeyFile(reader),
    jwksUrl: reader.text("TOKEN_JWKS_URL"),
    sources,
    clockToleranceMs,
    issuer,
    audience,
    queryName,
    cookieName,
  };
}

/** Returns the name of the variable that sets an option of the verifier. */
export function variableOf(option: string): string {
  return VARIABLES[option] ?? "TOKEN_SECRET";
}

const VARIABLES: Readonly<Record<string, string>> = {
  secret: "TOKEN_SECRET",
  publicKey: "TOKEN_PUBLIC_KEY",
  jwksUrl: "TOKEN_JWKS_URL",
  queryName: "TOKEN_QUERY",
  cookieName: "TOKEN_COOKIE",
};

function readSources(reader: EnvReader): readonly TokenSource[] {
  if (reader.text("TOKEN_SOURCES") === undefined) return ["authorization", "subprotocol"];
  const names = reader.list("TOKEN_SOURCES");
  const sources = SOURCES.filter((source) => names.includes(source));
  if (names.length === 0 || sources.length !== new Set(names).size) {
    reader.problem("TOKEN_SOURCES", `must be a comma-separated list of ${SOURCES.join(", ")}`);
  }
  return sources;
}

function readKeyFile(reader: EnvReader): string | undefined {
  const path = reader.text("TOKEN_PUBLIC_KEY_FILE");
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = Object(error) as { code?: string };
    reader.problem("TOKEN_PUBLIC_KEY_FILE", `can't be read (${code})`);
    return undefined;
  }
}

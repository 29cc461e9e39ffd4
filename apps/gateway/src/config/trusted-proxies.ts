import { TrustedProxies } from "@cm/transport";
import type { EnvReader } from "./env-reader.js";

/** Reads `TRUSTED_PROXIES`, a comma-separated list of addresses and subnets; empty if it is not set. */
export function readTrustedProxies(reader: EnvReader): string[] {
  const name = "TRUSTED_PROXIES";
  const entries = reader.list(name);
  try {
    new TrustedProxies(entries);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    reader.problem(name, `must list addresses and subnets such as 10.0.0.0/8; ${error.message}`);
  }
  return entries;
}

import { isOrigin } from "@cm/transport";
import type { EnvReader } from "./env-reader.js";
import type { GatewayConfig } from "./gateway-config.js";
import { isLoopback } from "./host-validation.js";

/**
 * Reads `ALLOWED_ORIGINS`, a comma-separated list; `undefined` if it is not set. An empty list is an error and
 * does not mean "any", because "none" may have been meant.
 */
export function readAllowedOrigins(reader: EnvReader): string[] | undefined {
  const name = "ALLOWED_ORIGINS";
  if (!reader.has(name)) return undefined;
  const origins = reader.list(name);
  if (origins.length === 0) reader.problem(name, "must name an origin, or be unset to allow any origin");
  const wrong = origins.findIndex((origin) => !isOrigin(origin));
  // The message gives the entry's position, not its text: the text may be a URL with a password.
  if (wrong !== -1) {
    reader.problem(
      name,
      `must list origins as browsers send them, such as https://example.com or http://localhost:8080, ` +
        `in lower case and without a path; entry ${wrong + 1} is not one`,
    );
  }
  return origins;
}

/**
 * Whether `allowedOrigins` is required and missing. It is required if a cookie may carry the token, because any
 * page that a user opens could connect with the user's cookie; on a loopback address it is not.
 */
export function lacksOrigins(config: Pick<GatewayConfig, "tokens" | "allowedOrigins" | "listenHost">): boolean {
  const { tokens, allowedOrigins, listenHost } = config;
  return tokens?.sources?.includes("cookie") === true && allowedOrigins === undefined && !isLoopback(listenHost);
}

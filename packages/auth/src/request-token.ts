import { CmError } from "@cm/protocol";
import { optionInvalid } from "@cm/protocol/options";

/**
 * The place in a request from which a token is read.
 *
 * - `authorization`: the header `Authorization: Bearer <token>`
 * - `subprotocol`: an offered subprotocol `cm.token.<token>`, for browsers, which can't set headers
 * - `query`: a parameter of the URL; proxies write URLs, and so the token, to their access logs
 * - `cookie`: a cookie; browsers also send cookies with requests from other sites' pages, so limit the origins
 *   that the server accepts
 */
export type TokenSource = "authorization" | "subprotocol" | "query" | "cookie";

/** The parts of an upgrade request that can contain tokens. */
export interface TokenRequest {
  /** The headers, by lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** The query string, without the question mark. */
  readonly query: string;
  /** The values of `Sec-WebSocket-Protocol`, in the client's order. */
  readonly offeredSubprotocols: readonly string[];
}

/** The prefix of a token that is offered as a subprotocol. */
export const TOKEN_SUBPROTOCOL_PREFIX = "cm.token.";

/** The names of the URL parameter and of the cookie. */
export interface TokenNames {
  readonly queryName: string;
  readonly cookieName: string;
}

/**
 * Returns the token of a request. Throws `unauthorized` if there is no token, or if there are different tokens,
 * because two programs that read such a request could see different users. Throws `options-invalid` for a value that
 * is not a {@link TokenRequest}, such as the request of an HTTP server.
 */
export function tokenOf(request: TokenRequest, sources: readonly TokenSource[], names: TokenNames): string {
  requireRequest(request);
  const found = new Set<string>();
  for (const source of sources) for (const token of FINDERS[source](request, names)) found.add(token);
  const [token, ...others] = found;
  if (token === undefined || token === "") throw new CmError("unauthorized", "The request carries no token.");
  if (others.length > 0) throw new CmError("unauthorized", "The request carries several tokens.");
  return token;
}

function requireRequest(request: TokenRequest): void {
  const { headers, query, offeredSubprotocols } = Object(request) as Partial<TokenRequest>;
  if (
    typeof headers === "object" &&
    headers !== null &&
    typeof query === "string" &&
    Array.isArray(offeredSubprotocols)
  )
    return;
  throw optionInvalid("request", "an object with headers, query (text) and offeredSubprotocols (a list)");
}

const FINDERS: Readonly<Record<TokenSource, (request: TokenRequest, names: TokenNames) => readonly string[]>> = {
  // Header lines with the same name arrive joined by commas. No token contains a comma.
  authorization: ({ headers }) =>
    (headers.authorization ?? "").split(",").flatMap((value) => {
      const match = /^\s*bearer +(\S+)\s*$/i.exec(value);
      return match?.[1] === undefined ? [] : [match[1]];
    }),
  subprotocol: ({ offeredSubprotocols }) =>
    offeredSubprotocols
      .filter((name) => name.startsWith(TOKEN_SUBPROTOCOL_PREFIX))
      .map((name) => name.slice(TOKEN_SUBPROTOCOL_PREFIX.length)),
  query: ({ query }, { queryName }) => new URLSearchParams(query).getAll(queryName),
  cookie: ({ headers }, { cookieName }) =>
    (headers.cookie ?? "").split(";").flatMap((pair) => {
      const at = pair.indexOf("=");
      return at > 0 && pair.slice(0, at).trim() === cookieName ? [pair.slice(at + 1).trim()] : [];
    }),
};

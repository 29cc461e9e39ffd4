import { CmError } from "@cm/protocol";

/**
 * Where a token comes from.
 *
 * - `authorization`: the header `Authorization: Bearer <token>`
 * - `subprotocol`: an offered subprotocol `cm.token.<token>`, for browsers, which can't set headers
 * - `query`: a parameter of the URL; it ends up in access logs of proxies
 * - `cookie`: a cookie, which a browser sends from every page unless the origins are listed
 */
export type TokenSource = "authorization" | "subprotocol" | "query" | "cookie";

/** The head of an upgrade request, as far as tokens are looked for in it. */
export interface TokenRequest {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  /** What follows the question mark, without it. */
  readonly query: string;
  /** The values of `Sec-WebSocket-Protocol`, in the client's order. */
  readonly offeredSubprotocols: readonly string[];
}

/** In front of a token that is offered as a subprotocol. */
export const TOKEN_SUBPROTOCOL_PREFIX = "cm.token.";

/** What names the parameter and the cookie. */
export interface TokenNames {
  readonly queryName: string;
  readonly cookieName: string;
}

/**
 * The one token of a request. Throws `unauthorized` where there is none, or where there are
 * several: two parties that read one request must not see two users.
 */
export function tokenOf(request: TokenRequest, sources: readonly TokenSource[], names: TokenNames): string {
  const found = new Set<string>();
  for (const source of sources) for (const token of FINDERS[source](request, names)) found.add(token);
  const [token, ...others] = found;
  if (token === undefined || token === "") throw new CmError("unauthorized", "The request carries no token.");
  if (others.length > 0) throw new CmError("unauthorized", "The request carries several tokens.");
  return token;
}

const FINDERS: Readonly<Record<TokenSource, (request: TokenRequest, names: TokenNames) => readonly string[]>> = {
  // Header lines of one name arrive joined by commas, which no token contains.
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

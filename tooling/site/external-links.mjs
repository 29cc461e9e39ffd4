import { isIP } from "node:net";

/** Names that belong to no real host: RFC 2606, RFC 6761 and names that are common in examples. */
const RESERVED = /(^|\.)(example|invalid|localhost|test|local|internal)$|(^|\.)example\.(com|net|org)$/;

/** Hosts that serve packages to programs; readers need the page about a package instead. */
const REGISTRY = /^(registry|npm|verdaccio)\./;

/**
 * The fault in the form of an external link, or `undefined`. Links are not followed, because the check runs
 * without network access.
 */
export function externalLinkFault(href) {
  if (/[<>{}$\s]|%[37][bce]/i.test(href)) return "has a placeholder in it";
  if (!URL.canParse(href)) return "is no URL";
  const { protocol, hostname, port, username, password } = new URL(href);
  if (protocol !== "https:") return "is not https";
  if (/[.,;:!?'")\]]$/.test(href)) return "ends in punctuation";
  if (username !== "" || password !== "") return "names a user";
  if (port !== "") return "names a port";
  if (isIP(hostname.replace(/^\[|\]$/g, "")) !== 0 || !hostname.includes(".")) return "names a machine";
  if (RESERVED.test(hostname)) return "names a host that stands for none";
  return REGISTRY.test(hostname) ? "names a registry" : undefined;
}

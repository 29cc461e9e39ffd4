import { isIP } from "node:net";

/** Names that stand for no host: RFC 2606, RFC 6761 and what people write in examples. */
const RESERVED = /(^|\.)(example|invalid|localhost|test|local|internal)$|(^|\.)example\.(com|net|org)$/;

/** Serves packages to programs; a reader wants the page about one. */
const REGISTRY = /^(registry|npm|verdaccio)\./;

/**
 * What is wrong with the form of a link that leads out of the site, or undefined. No link is followed: the check
 * runs where there is no network.
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

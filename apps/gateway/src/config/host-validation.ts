import { isIP } from "node:net";

const LABEL = /^\w(?:[\w-]{0,61}\w)?$/;

/** Whether the text is an IP address without brackets, or a valid host name. */
export function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  if (text.length > 253) return false;
  const labels = text.replace(/\.$/, "").split(".");
  // Reject a name whose last label is a number: as in the URL standard, it is a mistyped IPv4 address.
  return labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? "");
}

/** Whether a local address to listen on can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

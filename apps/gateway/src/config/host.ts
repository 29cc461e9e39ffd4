import { isIP } from "node:net";

const LABEL = /^\w(?:[\w-]{0,61}\w)?$/;

/** Whether the text is an IP address, without brackets, or can be a host's name. */
export function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  if (text.length > 253) return false;
  const labels = text.replace(/\.$/, "").split(".");
  // A name that ends in a number is a mistyped IPv4 address, as the URL standard has it.
  return labels.every((label) => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? "");
}

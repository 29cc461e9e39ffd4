import type { HttpResponse } from "uWebSockets.js";
import { SocketAddress } from "node:net";

const MAPPED_IPV4 = "::ffff:";

/**
 * The peer's address in its usual spelling. uWebSockets.js spells IPv6 out in full,
 * and gives IPv4 peers of a dual-stack socket as mapped IPv6.
 */
export function remoteAddressOf(res: HttpResponse): string {
  const text = Buffer.from(res.getRemoteAddressAsText()).toString("latin1");
  return text.includes(":") ? shortenIpv6(text) : text;
}

/** The canonical spelling of an IPv6 address; of a mapped one, its IPv4 address. */
export function shortenIpv6(text: string): string {
  let address: string;
  try {
    ({ address } = new SocketAddress({ address: text, family: "ipv6" }));
  } catch {
    // An address that Node can't read is still the best name for the peer.
    return text;
  }
  return address.startsWith(MAPPED_IPV4) && address.includes(".") ? address.slice(MAPPED_IPV4.length) : address;
}

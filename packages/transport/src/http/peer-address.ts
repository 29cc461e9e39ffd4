import { SocketAddress } from "node:net";

const MAPPED_IPV4 = "::ffff:";

/** Normalizes the address of a peer; an IPv4-mapped IPv6 address becomes the IPv4 address. */
export function peerAddress(text: string): string {
  if (!text.includes(":")) return text;
  let address: string;
  try {
    ({ address } = new SocketAddress({ address: text, family: "ipv6" }));
  } catch {
    // Node can't parse the address; return it unchanged, as the best name for the peer.
    return text;
  }
  return address.startsWith(MAPPED_IPV4) && address.includes(".") ? address.slice(MAPPED_IPV4.length) : address;
}

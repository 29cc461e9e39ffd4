import { SocketAddress } from "node:net";

const MAPPED_IPV4 = "::ffff:";

/** The usual spelling of a peer's address; of a mapped IPv6 address, its IPv4 address. */
export function peerAddress(text: string): string {
  if (!text.includes(":")) return text;
  let address: string;
  try {
    ({ address } = new SocketAddress({ address: text, family: "ipv6" }));
  } catch {
    // An address that Node can't read is still the best name for the peer.
    return text;
  }
  return address.startsWith(MAPPED_IPV4) && address.includes(".") ? address.slice(MAPPED_IPV4.length) : address;
}

import { BlockList, isIP } from "node:net";
import { peerAddress } from "./peer-address.js";

/** Where a request came from, as the socket and the proxies in front of it say. */
export interface RequestOrigin {
  /** The address of the TCP peer. */
  readonly peer: string;
  /** The address that a PROXY header names, where the transport reads those; empty without one. */
  readonly proxied?: (() => string) | undefined;
  /** The `X-Forwarded-For` header: each proxy appends the address that it was reached from. */
  readonly forwardedFor: string | undefined;
}

/** The proxies whose word about a client's address is believed. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  /** Addresses and subnets such as `10.0.0.0/8`; throws a `TypeError` that names the position of one that is neither. */
  constructor(entries: readonly string[]) {
    this.#isEmpty = entries.length === 0;
    for (const [index, entry] of entries.entries()) {
      const [address = "", prefix, ...rest] = typeof entry === "string" ? entry.trim().split("/") : [];
      const family = familyOf(address);
      const bits = prefix === undefined ? undefined : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
      const isSubnet = bits === undefined || bits <= (family === "ipv4" ? 32 : 128);
      if (family === undefined || !isSubnet || rest.length > 0) {
        throw new TypeError(`entry ${index + 1} is no address and no subnet`);
      }
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, bits, family);
    }
  }

  /**
   * The client's address. What a trusted proxy says is believed, from the nearest one
   * outwards, up to the first address that is not trusted: what stands left of it, the client
   * may have written itself.
   */
  clientOf({ peer, proxied, forwardedFor }: RequestOrigin): string {
    if (this.#isEmpty || !this.#has(peer)) return peer;
    let client = peer;
    const behind = peerAddress(proxied?.() ?? "");
    if (isIP(behind) !== 0) {
      client = behind;
      if (!this.#has(client)) return client;
    }
    const hops = forwardedFor?.split(",") ?? [];
    for (const hop of hops.reverse()) {
      const address = peerAddress(withoutPort(hop.trim()));
      if (isIP(address) === 0) return client;
      client = address;
      if (!this.#has(client)) return client;
    }
    return client;
  }

  #has(address: string): boolean {
    const family = familyOf(address);
    return family !== undefined && this.#list.check(address, family);
  }
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? "ipv4" : "ipv6";
}

/** Some proxies write `203.0.113.7:1234` and `[2001:db8::7]:1234`. */
function withoutPort(hop: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(hop) ?? [];
  return bracketed ?? plain ?? hop;
}

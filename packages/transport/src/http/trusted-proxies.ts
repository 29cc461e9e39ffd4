import { BlockList, isIP } from "node:net";
import { rememberingAddresses } from "../admission/address-cache.js";
import { peerAddress } from "./peer-address.js";

/** The origin of a request, according to the socket and the proxies in front of it. */
export interface RequestOrigin {
  /** The address of the TCP peer. */
  readonly peer: string;
  /** The address in a PROXY header, if the transport reads such headers; empty if there is none. */
  readonly proxied?: (() => string) | undefined;
  /** The `X-Forwarded-For` header: each proxy appends the address that connected to it. */
  readonly forwardedFor: string | undefined;
}

/** The proxies that are trusted to report a client's address. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;
  readonly #has = rememberingAddresses((address) => {
    const family = familyOf(address);
    return family !== undefined && this.#list.check(address, family);
  });

  /**
   * Takes addresses and subnets such as `10.0.0.0/8`. Throws a `TypeError` with the position of an invalid
   * entry.
   */
  constructor(entries: readonly string[]) {
    this.#isEmpty = entries.length === 0;
    for (const [index, entry] of entries.entries()) {
      const [address = "", prefix, ...rest] = typeof entry === "string" ? entry.trim().split("/") : [];
      const family = familyOf(address);
      const bits = prefix === undefined ? undefined : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
      const isSubnet = bits === undefined || bits <= (family === "ipv4" ? 32 : 128);
      if (family === undefined || !isSubnet || rest.length > 0) {
        throw new TypeError(`entry ${index + 1} is neither an address nor a subnet`);
      }
      if (bits === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, bits, family);
    }
  }

  /** Whether this peer may report the addresses of others. */
  trusts(peer: string): boolean {
    return !this.#isEmpty && this.#has(peer);
  }

  /**
   * Returns the client's address. Addresses that trusted proxies report are followed from the nearest proxy
   * outwards, up to the first one that is not trusted: the addresses to the left of it may have been written by
   * the client.
   */
  clientOf({ peer, proxied, forwardedFor }: RequestOrigin): string {
    if (!this.trusts(peer)) return peer;
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
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 0 ? undefined : version === 4 ? "ipv4" : "ipv6";
}

/** Removes the port that some proxies append: `203.0.113.7:1234`, `[2001:db8::7]:1234`. */
function withoutPort(hop: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(hop) ?? [];
  return bracketed ?? plain ?? hop;
}

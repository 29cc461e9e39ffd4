import { BlockList, isIPv6 } from "node:net";
import { CmError } from "@cm/protocol";
import { Tally } from "../counters/tally.js";
import type { ResolvedTransportOptions } from "../options/resolved-options.js";

/** What one address may have. */
export type AddressLimit = "connections-per-address" | "upgrades-per-address";

/** Addresses whose rate is remembered; beyond it, the one that was quiet for longest is forgotten. */
const RATES_MAX = 65_536;

/** A burst of as many upgrades as are allowed in this time. */
const BURST_SECONDS = 2;

/** The groups of an IPv6 address that name its network: providers give each customer a /64 or more. */
const NETWORK_GROUPS = 4;

/** RFC 1918, RFC 4193, and what does not leave a machine or a link. */
const UNLIMITED = new BlockList();
for (const [network, bits] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["169.254.0.0", 16],
] as const) {
  UNLIMITED.addSubnet(network, bits, "ipv4");
}
UNLIMITED.addAddress("::1", "ipv6");
UNLIMITED.addSubnet("fc00::", 7, "ipv6");
UNLIMITED.addSubnet("fe80::", 10, "ipv6");

interface Known {
  readonly key: string | undefined;
  /** Connections and waiting upgrades. */
  uses: number;
}

interface Rate {
  tokens: number;
  filledAt: number;
}

/**
 * Keeps one address from taking more than a share: of the connections, upgrades in progress among
 * them, and of the upgrades a second. IPv6 addresses count by their /64. Loopback and private addresses
 * are not limited: a client from the internet has none of them, and a proxy that is not in
 * `trustedProxies` would lend its own to all clients.
 */
export class AddressLimits {
  readonly #maxConnections: number;
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  /** As many entries as there are connections and waiting upgrades, at most. */
  readonly #held = new Map<string, number>();
  /**
   * What the addresses of connections and waiting upgrades are counted as: finding it out takes longer than
   * everything else about the end of a connection. As many entries at most.
   */
  readonly #known = new Map<string, Known>();
  /** Least recently used first. */
  readonly #rates = new Map<string, Rate>();
  readonly #reached = new Tally<AddressLimit>();

  constructor(
    options: Pick<ResolvedTransportOptions<never>, "maxConnectionsPerAddress" | "maxUpgradesPerSecondPerAddress">,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#maxConnections = options.maxConnectionsPerAddress;
    this.#perSecond = options.maxUpgradesPerSecondPerAddress;
    this.#nowMs = nowMs;
  }

  /** How often each limit was met. */
  counts(): Readonly<Record<string, number>> {
    return this.#reached.counts();
  }

  /** What speaks against an upgrade from this address; counts it against the rate. */
  objectionTo(address: string): CmError | undefined {
    const known = this.#known.get(address);
    const key = known === undefined ? keyOf(address) : known.key;
    if (key === undefined) return undefined;
    if (!this.#takeUpgrade(key)) {
      this.#reached.add("upgrades-per-address");
      return new CmError("rate-limited", "There are too many upgrades a second from this address.");
    }
    if (this.#maxConnections > 0 && (this.#held.get(key) ?? 0) >= this.#maxConnections) {
      this.#reached.add("connections-per-address");
      return new CmError("connections-limit", "This address has as many connections as it may.");
    }
    return undefined;
  }

  /** A connection, or an upgrade that waits, is there. */
  enter(address: string): void {
    if (this.#maxConnections === 0) return;
    const known = this.#known.get(address) ?? { key: keyOf(address), uses: 0 };
    if (++known.uses === 1) this.#known.set(address, known);
    const { key } = known;
    if (key !== undefined) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
  }

  /** It is gone. Once for each {@link enter}. */
  leave(address: string): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    if (--known.uses === 0) this.#known.delete(address);
    const { key } = known;
    if (key === undefined) return;
    const left = (this.#held.get(key) ?? 1) - 1;
    if (left === 0) this.#held.delete(key);
    else this.#held.set(key, left);
  }

  #takeUpgrade(key: string): boolean {
    if (this.#perSecond === 0) return true;
    const now = this.#nowMs();
    const burst = this.#perSecond * BURST_SECONDS;
    const rate = this.#rates.get(key) ?? { tokens: burst, filledAt: now };
    rate.tokens = Math.min(burst, rate.tokens + ((now - rate.filledAt) * this.#perSecond) / 1000);
    rate.filledAt = now;
    this.#rates.delete(key);
    this.#rates.set(key, rate);
    if (this.#rates.size > RATES_MAX) {
      const [oldest] = this.#rates.keys();
      if (oldest !== undefined) this.#rates.delete(oldest);
    }
    if (rate.tokens < 1) return false;
    rate.tokens -= 1;
    return true;
  }
}

/** What an address is counted as; `undefined` where it is not. */
function keyOf(address: string): string | undefined {
  const isV6 = isIPv6(address);
  if (UNLIMITED.check(address, isV6 ? "ipv6" : "ipv4")) return undefined;
  if (!isV6) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  return [...groups, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, NETWORK_GROUPS).join(":");
}

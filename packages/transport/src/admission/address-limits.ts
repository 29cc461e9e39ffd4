import { BlockList, isIPv6 } from "node:net";
import { CmError } from "@cm/protocol";
import { KeyedCounter } from "../counters/keyed-counter.js";
import type { ResolvedTransportOptions } from "../options/resolved-options.js";
import { type BucketRate, burstRate, TokenBucket } from "../token-bucket.js";
import { rememberingAddresses } from "./address-cache.js";

/** The limits per address. */
export type AddressLimit = "connections-per-address" | "upgrades-per-address";

/** Maximum number of keys whose bucket of upgrades is kept; beyond it, the least recently used one is forgotten. */
const BUCKETS_MAX = 65_536;

/**
 * Number of groups of an IPv6 address that identify its network: providers assign a /64 or more to each
 * customer.
 */
const NETWORK_GROUPS = 4;

/** Addresses that are not limited: RFC 1918, RFC 4193, loopback and link-local. */
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

// Created once, because recording the call stack of an error takes longer than all else that a refusal costs.
const TOO_MANY_UPGRADES = new CmError("rate-limited", "This address exceeds the limit of upgrades per second.");
const TOO_MANY_CONNECTIONS = new CmError("connections-limit", "This address has reached its connection limit.");

interface Known {
  readonly key: string | undefined;
  /** Number of connections and waiting upgrades. */
  uses: number;
}

/**
 * Limits the connections of one address, including upgrades in progress, and its upgrades per second. All IPv6
 * addresses of one /64 share a key and its limits. Loopback and private addresses are not limited: clients on
 * the internet never have such an address, and behind a proxy that is not in `trustedProxies`, all clients would
 * share the proxy's address and its limits. An empty address is not limited either: it stands for an unknown one, and
 * all clients of a Unix socket have it.
 */
export class AddressLimits {
  readonly #maxConnections: number;
  readonly #rate: BucketRate;
  readonly #nowMs: () => number;
  /**
   * Number of connections and waiting upgrades by key. The map is bounded: it has at most one entry per
   * connection or upgrade.
   */
  readonly #held = new Map<string, number>();
  /**
   * The key of each address with connections or waiting upgrades, which is needed again at their end. The map is
   * bounded: it has at most one entry per connection or upgrade.
   */
  readonly #known = new Map<string, Known>();
  /** The bucket of upgrades of each key, the least recently used key first. */
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #reached = new KeyedCounter<AddressLimit>();
  readonly #keyOf = rememberingAddresses(keyOf);

  constructor(
    options: Pick<ResolvedTransportOptions<never>, "maxConnectionsPerAddress" | "maxUpgradesPerSecondPerAddress">,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#maxConnections = options.maxConnectionsPerAddress;
    this.#rate = burstRate(options.maxUpgradesPerSecondPerAddress);
    this.#nowMs = nowMs;
  }

  /** How often each limit was reached. */
  counts(): Readonly<Record<string, number>> {
    return this.#reached.counts();
  }

  /**
   * Returns the error for an upgrade from this address if a limit is exceeded. Counts the upgrade against the
   * rate.
   */
  objectionTo(address: string): CmError | undefined {
    const key = this.keyOf(address);
    if (key === undefined) return undefined;
    if (!this.#takeUpgrade(key)) {
      this.#reached.add("upgrades-per-address");
      return TOO_MANY_UPGRADES;
    }
    if (this.#maxConnections > 0 && (this.#held.get(key) ?? 0) >= this.#maxConnections) {
      this.#reached.add("connections-per-address");
      return TOO_MANY_CONNECTIONS;
    }
    return undefined;
  }

  /**
   * Returns the key that an address is counted under: the address, or the network of an IPv6 address; `undefined` if
   * the address is not limited.
   */
  keyOf(address: string): string | undefined {
    const known = this.#known.get(address);
    return known === undefined ? this.#keyOf(address) : known.key;
  }

  /** Call this for each connection, and for each upgrade that waits. */
  enter(address: string): void {
    if (this.#maxConnections === 0) return;
    const known = this.#known.get(address) ?? { key: this.#keyOf(address), uses: 0 };
    if (++known.uses === 1) this.#known.set(address, known);
    const { key } = known;
    if (key !== undefined) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
  }

  /** Call this once for each {@link enter}, when the connection or upgrade has ended. */
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
    if (this.#rate.perSecond === 0) return true;
    const now = this.#nowMs();
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#rate, now);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > BUCKETS_MAX) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket.take(now);
  }
}

/** Returns the key that an address is counted under; `undefined` if the address is not limited. */
function keyOf(address: string): string | undefined {
  if (address === "") return undefined;
  const isV6 = isIPv6(address);
  if (UNLIMITED.check(address, isV6 ? "ipv6" : "ipv4")) return undefined;
  if (!isV6) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length;
  return [...groups, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, NETWORK_GROUPS).join(":");
}

import { expect, it } from "vitest";
import { AddressLimits } from "./address-limits.js";

it("gives an address its rate of upgrades again as time goes by, and forgets the quiet ones", () => {
  let now = 0;
  const limits = new AddressLimits({ maxConnectionsPerAddress: 0, maxUpgradesPerSecondPerAddress: 2 }, () => now);
  const allowed = (address: string, upgrades: number): number =>
    Array.from({ length: upgrades }, () => limits.objectionTo(address)).filter((error) => error === undefined).length;
  expect(allowed("203.0.113.7", 10)).toBe(4);
  now = 500;
  expect(allowed("203.0.113.7", 10)).toBe(1);
  // The rates of at most 65,536 addresses are remembered: this many others make the first one be forgotten.
  for (let index = 0; index < 65_536; index++)
    limits.objectionTo(`11.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
  expect(allowed("203.0.113.7", 10)).toBe(4);
  expect(limits.counts()).toEqual({ "upgrades-per-address": 21 });
});

it("leaves loopback and private addresses alone", () => {
  const limits = new AddressLimits({ maxConnectionsPerAddress: 1, maxUpgradesPerSecondPerAddress: 1 }, () => 0);
  for (const address of [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.7.7",
    "fd12::1",
    "fe80::1",
  ]) {
    for (let upgrade = 0; upgrade < 5; upgrade++) {
      expect(limits.objectionTo(address)).toBeUndefined();
      limits.enter(address);
    }
  }
});

it("leaves clients alone whose address is unknown, such as those of a Unix socket", () => {
  const limits = new AddressLimits({ maxConnectionsPerAddress: 1, maxUpgradesPerSecondPerAddress: 1 }, () => 0);
  for (let upgrade = 0; upgrade < 5; upgrade++) {
    expect(limits.objectionTo("")).toBeUndefined();
    limits.enter("");
  }
  expect(limits.counts()).toEqual({});
});

it("counts the addresses of one IPv6 network of 64 bits together, however they are written", () => {
  const limits = new AddressLimits({ maxConnectionsPerAddress: 1, maxUpgradesPerSecondPerAddress: 0 }, () => 0);
  const isAlone = (first: string, second: string): boolean => {
    limits.enter(first);
    const isAllowed = limits.objectionTo(second) === undefined;
    limits.leave(first);
    return isAllowed;
  };
  expect(isAlone("2001:db8:1:2::1", "2001:db8:1:2:ffff::2")).toBe(false);
  expect(isAlone("2001:db8:1:2::1", "2001:db8:1:3::1")).toBe(true);
  // `::` stands for as many groups of zeros as are missing, here one.
  expect(isAlone("2001::2:3:4:5:6:7", "2001:0:2:3:8::")).toBe(false);
  expect(isAlone("2001::2:3:4:5:6:7", "2001:0:2:4:8::")).toBe(true);
});

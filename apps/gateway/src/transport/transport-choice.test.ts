import { expect, it } from "vitest";
import { chooseTransport } from "./transport-choice.js";

const installed = () => "/somewhere/uws.js";
const absent = () => {
  throw new Error("Cannot find module");
};

it.each([
  ["auto", false, installed, "uws"],
  ["auto", false, absent, "ws"],
  // `uws` is chosen even if it is not installed, because the error on loading it explains how to install it.
  ["auto", true, absent, "uws"],
  ["uws", false, absent, "uws"],
  ["ws", false, installed, "ws"],
] as const)("transport %s, on a shared port %s: %o gives %s", (wanted, sharePort, resolve, chosen) => {
  expect(chooseTransport(wanted, sharePort, resolve)).toBe(chosen);
});

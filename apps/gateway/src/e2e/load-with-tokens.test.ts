import { runLoad } from "@cm/load";
import { expect, it } from "vitest";
import { SECRET, serveCounting } from "./token-clients.fixture.js";

const LOAD = { rooms: 3, members: 4, rate: 200, seconds: 0.5, seed: 1 } as const;

it("The load driver drives a gateway with tokens, with the gateway's secret and with no other", async () => {
  const { port, gateway, tokensRefused } = await serveCounting();
  const urls = [`ws://127.0.0.1:${port}/ws`];
  expect(await runLoad({ ...LOAD, urls, tokenSecret: SECRET })).toMatchObject({
    ok: true,
    published: 100,
    connections: { joined: 12, failed: 0 },
    findings: { expected: 400, delivered: 400, losses: 0, duplicates: 0, strays: 0 },
    acks: { accepted: 100, refused: 0, unanswered: 0 },
    errors: {},
    closes: {},
  });
  expect(await tokensRefused()).toEqual({});

  const other = "another secret of thirty-two bytes";
  await expect(runLoad({ ...LOAD, urls, tokenSecret: other })).rejects.toMatchObject({ code: "unavailable" });
  await expect(runLoad({ ...LOAD, urls })).rejects.toMatchObject({ code: "unavailable" });
  const { signature = 0, other: missing = 0, ...rest } = await tokensRefused();
  expect({ signature: signature > 0, missing: missing > 0, rest }).toEqual({
    signature: true,
    missing: true,
    rest: {},
  });
  expect(gateway.node.membership.stats().connections).toBe(0);
});

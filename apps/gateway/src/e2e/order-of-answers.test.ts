import { setTimeout as sleep } from "node:timers/promises";
import { Rights } from "@cm/auth";
import { expect, it } from "vitest";
import { connect, serve } from "./embedded-gateway.fixture.js";

const rightsOf = (user: string): Rights => {
  const parsed = Rights.parse({ join: ["open*"], publish: ["open*"] }, user);
  if (!parsed.ok) throw parsed.error;
  return parsed.value;
};

it.each(["uws", "ws"] as const)(
  "answers the requests about a room in their order, also refused ones (%s)",
  async (transport) => {
    const { port } = await serve({
      transport,
      authenticate: ({ query }) => ({ userId: query, rights: rightsOf(query) }),
      // All requests wait for the welcome and are then handled in one turn.
      onConnect: () => sleep(50),
    });
    const client = await connect(port, "ann");
    const requests = [
      { type: "hello", version: 1 },
      { type: "join", room: "closed" },
      { type: "leave", room: "closed" },
      { type: "join", room: "closed" },
      { type: "publish", room: "closed", data: 1 },
      { type: "join", room: "closed" },
      { type: "join", room: "closed" },
      { type: "leave", room: "closed" },
    ];
    for (const request of requests) client.send(request);
    await client.answer(requests.length);
    expect(
      client.frames.filter(({ ref }) => ref !== undefined).map(({ ref, type, code }) => [ref, code ?? type]),
    ).toEqual([
      [1, "welcome"],
      [2, "forbidden"],
      [3, "ack"],
      [4, "forbidden"],
      [5, "not-a-member"],
      [6, "forbidden"],
      [7, "forbidden"],
      [8, "ack"],
    ]);
  },
);

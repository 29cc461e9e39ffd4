import { Rights } from "@cm/auth";
import { expect, it } from "vitest";
import { FanOutBudget } from "../../limits/fan-out-budget.js";
import { LimitCounter } from "../../limits/limit-counter.js";
import { ApplicationCalls } from "../application-calls.js";
import { Permissions } from "../permissions.js";
import { ClientResponses } from "./client-responses.js";
import { DirectMessages } from "./direct-messages.js";

/** The connections of each user. Other users are not online. */
const ONLINE: Readonly<Record<string, number>> = { bob: 3, hub: 60 };

/** A sender that may know of no user's presence, with a budget of 100 receivers a second. */
function createSender() {
  const answers: unknown[] = [];
  const confirmed: string[] = [];
  const rights = Rights.parse({ send: ["*"] }, "ada");
  if (!rights.ok) throw rights.error;
  const limits = new LimitCounter();
  const hookCalls = new ApplicationCalls(
    "hook",
    { timeoutMs: 1_000, maxPending: 10, reached: limits },
    () => undefined,
  );
  const outcomeFor = async (user: string, options: unknown): Promise<"delivered" | "not-found"> => {
    if (options !== undefined) confirmed.push(user);
    return user in ONLINE ? "delivered" : "not-found";
  };
  const budget = new FanOutBudget({
    perSecond: 100,
    serverPercent: 0,
    limits,
    monotonicMs: () => 0,
  });
  const messages = new DirectMessages({
    from: { connection: "gw.1", user: "ada" },
    router: {
      toUser: (user: string, _: Uint8Array, options?: unknown) => outcomeFor(user, options),
      toConnection: (_: string, __: Uint8Array, options?: unknown) => outcomeFor("", options),
    },
    permissions: new Permissions(
      { context: { hooks: {}, hookCalls }, hookConnection: { id: "gw.1", userId: "ada", data: undefined } },
      rights.value,
    ),
    answers: new ClientResponses(
      { send: (text) => answers.push(JSON.parse(String(text))) > 0 },
      {
        onFault: () => undefined,
        refused: { count: () => undefined },
        reached: limits,
      },
    ),
    account: budget.account(),
    charges: { chargeUser: (account, user, atLeast) => account.pay(Math.max(atLeast, ONLINE[user] ?? 0)) },
    maxDataBytes: 1_000,
    isClosed: () => false,
  });
  return { messages, answers, confirmed };
}

async function answersTo(user: string, count: number) {
  const { messages, answers, confirmed } = createSender();
  for (let ref = 1; ref <= count; ref++) messages.send({ user }, { data: 1, confirm: true, ref });
  await expect.poll(() => answers).toHaveLength(count);
  return { answers, confirmed };
}

it("A sender that may not know who is online gets the same answers for a present and an absent user", async () => {
  const present = await answersTo("bob", 12);
  expect(present.answers.slice(0, 10)).toEqual(
    Array.from({ length: 10 }, (_, i) => ({ type: "ack", ref: i + 1, outcome: "sent" })),
  );
  expect(present.answers.slice(10)).toMatchObject([{ code: "rate-limited" }, { code: "rate-limited" }]);
  expect(await answersTo("nobody", 12)).toEqual(present);
});

it("A message to a user with many connections costs such a sender all of them", async () => {
  const { answers } = await answersTo("hub", 3);
  expect(answers).toMatchObject([{ outcome: "sent" }, { outcome: "sent" }, { code: "rate-limited" }]);
});

it("A sender that may not know who is online is not kept waiting for a confirmation", async () => {
  expect((await answersTo("bob", 1)).confirmed).toEqual([]);
});

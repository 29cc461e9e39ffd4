import { openSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import type { ServerFrame } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

const BATCH = 8;
const BYTES = 15_000;
/** Maximum number of messages to send: far more than the kernel buffers for a connection. */
const MESSAGES_MAX = 4_000;

type Frame = ServerFrame & { readonly ref?: number };

it("skips messages for a member that does not read, notifies it, and resumes delivery", async () => {
  const cluster = await startGatewayCluster({
    size: 2,
    env: {
      SLOW_READER_DROP_ROOMS: "log:",
      SLOW_READER_LATEST_ROOMS: "pos:",
      RECOVERABLE_ROOMS: "log:",
      MAX_REQUESTS_PER_SECOND: "100000",
    },
  });
  onTestFinished(() => cluster.close());
  const [fast, sender, other] = [
    await cluster.connect(0, "fast"),
    await cluster.connect(1, "sender"),
    await cluster.connect(1, "other"),
  ];
  const slow = await openSocket(cluster.wsUrls[0] ?? "", "slow");
  onTestFinished(() => slow.terminate());
  const frames: Frame[] = [];
  // The server's own format.
  slow.on("message", (data) => frames.push(JSON.parse(String(data)) as Frame));
  const answered = (ref: number): Promise<Frame> =>
    eventually(() => {
      const answer = frames.find((frame) => frame.ref === ref);
      if (answer === undefined) throw new Error(`No answer to ${ref}.`);
      return answer;
    });
  slow.send('{"type":"hello","version":1,"ref":0}');
  for (const [index, room] of ["log:1", "pos:1"].entries()) {
    slow.send(JSON.stringify({ type: "join", room, ref: index + 1 }));
    for (const member of [fast, sender, other]) await member.do({ type: "join", room });
  }
  await answered(2);

  let count = 0;
  const log = async (size: number): Promise<void> => {
    const batch = Array.from({ length: size }, () => `${count++}:`.padEnd(BYTES, "x"));
    await Promise.all(batch.map((data) => sender.do({ type: "publish", room: "log:1", data, echo: false })));
    await eventually(() => expect(fast.messages("log:1")).toHaveLength(count), { intervalMs: 1 });
  };
  const transport = async (): Promise<Record<string, unknown>> =>
    (await cluster.stats(0)).transport as unknown as Record<string, unknown>; // The gateway's own format.
  slow.pause();
  while ((await transport()).membersBehind === 0 && count < MESSAGES_MAX) await log(BATCH);
  // The reader is behind in both rooms.
  expect(await transport()).toMatchObject({ membersBehind: 2, slowConsumersClosed: 0 });
  await log(10);
  for (let step = 0; step < 20; step++) {
    const key = `car-${step % 2}`;
    await sender.do({ type: "publish", room: "pos:1", key, data: `${key} at ${step}`, echo: false });
  }
  await other.do({ type: "publish", room: "pos:1", data: "other", echo: false });

  slow.resume();
  await eventually(async () => expect((await transport()).membersBehind).toBe(0));
  await log(1);
  const at = <T extends Frame["type"]>(type: T, room: string): Extract<Frame, { type: T }>[] =>
    frames.filter(
      (frame): frame is Extract<Frame, { type: T }> => frame.type === type && "room" in frame && frame.room === room,
    );
  const numbersOf = (messages: readonly { readonly data: unknown }[]): number[] =>
    messages.map(({ data }) => Number.parseInt(String(data), 10));
  await eventually(() => expect(numbersOf(at("message", "log:1")).at(-1)).toBe(count - 1));

  const [logGap, ...moreGaps] = at("gap", "log:1");
  const received = numbersOf(at("message", "log:1"));
  const missed = count - received.length;
  expect(logGap).toEqual({ type: "gap", room: "log:1", missed, reason: "slow-reader" });
  expect(moreGaps).toEqual([]);
  expect(missed).toBeGreaterThanOrEqual(10);
  // The gap is at the position of the missing messages.
  const before = frames.slice(0, frames.indexOf(logGap as Frame)).filter(({ type }) => type === "message");
  expect(received).toEqual([...Array.from({ length: before.length }, (_, index) => index), count - 1]);
  expect(at("gap", "pos:1")).toEqual([{ type: "gap", room: "pos:1", missed: 18, reason: "conflated" }]);
  expect(at("message", "pos:1").map(({ data }) => data)).toEqual(["car-0 at 18", "car-1 at 19", "other"]);
  expect((await transport()).messagesLeftOut).toEqual({ drop: missed, latest: 18 });
  expect(fast.received.filter(({ type }) => type === "gap")).toEqual([]);
  expect(fast.messages("pos:1")).toHaveLength(21);

  // The history of a recoverable room contains the dropped messages.
  const place = before.at(-1);
  if (place?.type !== "message") throw new Error("No message came before the gap.");
  const since = { epoch: place.epoch, offset: place.offset };
  frames.length = 0;
  slow.send('{"type":"leave","room":"log:1","ref":3}');
  slow.send(JSON.stringify({ type: "join", room: "log:1", since, ref: 4 }));
  expect(await answered(4)).toMatchObject({ type: "ack", recovered: true });
  await log(1);
  await eventually(() => expect(numbersOf(at("message", "log:1")).at(-1)).toBe(count - 1));
  expect(numbersOf(at("message", "log:1"))).toEqual(
    Array.from({ length: count - before.length }, (_, index) => before.length + index),
  );
}, 60_000);

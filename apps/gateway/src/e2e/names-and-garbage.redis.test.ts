import { once } from "node:events";
import { connect } from "node:net";
import { CmSocket, openSocket } from "@cm/gateway-kit/clients/cm-socket";
import { type GatewayCluster, startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { eventually } from "@cm/test-kit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";

describe("what clients may send", () => {
  let cluster: GatewayCluster;

  beforeAll(async () => {
    cluster = await startGatewayCluster({ size: 2 });
  });

  afterAll(async () => {
    await cluster.close();
  });

  const names = [
    "żółć-日本語-🎲",
    "a:b/c|d,e;f.g{h}i*j?k[l]m\\n\"o' p",
    "line\nbreak\ttab\u0000nul",
    "1234567890",
    "01234567890123456789",
    "x".repeat(255),
    "é".repeat(127),
    "constructor",
    "__proto__",
  ];

  it.each(names.map((name) => [name.slice(0, 30), name]))(
    "carries messages for a room and a user called %j",
    async (_, name) => {
      const [here, there] = await Promise.all([cluster.connect(0, name), cluster.connect(1, name)]);
      expect(here.welcome.user).toBe(name);
      await here.do({ type: "join", room: name });
      await there.do({ type: "join", room: name });
      await here.do({ type: "publish", room: name, data: name });
      await there.until((frame) => frame.type === "message" && frame.room === name && frame.data === name);
      await there.do({ type: "send", user: name, data: "to myself" });
      await eventually(() => expect([here.directs(), there.directs()]).toEqual([["to myself"], ["to myself"]]));
      const roster = await here.do({ type: "members", room: name });
      expect(roster).toMatchObject({ total: 2, room: name });
      await Promise.all([here.close(), there.close()]);
    },
  );

  it("refuses names that are too long, empty or broken, with a code", async () => {
    const socket = await cluster.connect(0, "ann");
    for (const [room, code] of [
      ["x".repeat(256), "name-too-long"],
      ["é".repeat(128), "name-too-long"],
      ["", "name-invalid"],
      ["\ud800", "name-invalid"],
      [7, "name-invalid"],
      [null, "name-invalid"],
    ]) {
      for (const request of [{ type: "join" }, { type: "publish", data: 1 }, { type: "members" }]) {
        expect(await socket.ask({ ...request, room })).toMatchObject({ type: "error", code });
      }
    }
    await socket.close();
    for (const [user, status] of [
      ["x".repeat(256), 400],
      ["", 400],
    ] as const) {
      const url = `${cluster.gateways[0]?.wsUrl}?user=${user}`;
      const refused = new WebSocket(url, "cm.v1");
      const [, response] = await once(refused, "unexpected-response");
      expect(response.statusCode).toBe(status);
      refused.on("error", () => undefined);
      refused.terminate();
    }
  });

  let quietRooms = 0;

  /** Runs `disturb` while two members on two servers exchange messages, which must not be affected. */
  async function undisturbed(disturb: () => Promise<void>): Promise<void> {
    const room = `quiet-${quietRooms++}`;
    const [ann, bob] = await Promise.all([cluster.connect(0, "ann"), cluster.connect(1, "bob")]);
    await ann.do({ type: "join", room });
    await bob.do({ type: "join", room });
    let stop = false;
    let sent = 0;
    const talking = (async () => {
      while (!stop) await ann.do({ type: "publish", room, data: sent++ });
    })().catch((error: Error) => {
      // The rate limit applies to this client as to any other.
      if (!error.message.startsWith("rate-limited")) throw error;
    });
    try {
      await disturb();
    } finally {
      stop = true;
      await talking;
    }
    const accepted = ann.messages(room).length;
    expect(accepted).toBeGreaterThan(0);
    await eventually(() => expect(bob.messages(room).length).toBeGreaterThanOrEqual(accepted));
    expect(bob.messages(room).slice(0, accepted)).toEqual(ann.messages(room).slice(0, accepted));
    await Promise.all([ann.close(), bob.close()]);
  }

  type Counts = Readonly<Record<string, number>>;

  /** Returns the counters of the first server's sockets, from `/stats`. */
  const transport = async (): Promise<{ readonly closed: Counts; readonly faults: Counts }> => {
    const answer = await fetch(`http://127.0.0.1:${cluster.gateways[0]?.port}/stats`);
    // The format of `/stats`.
    return ((await answer.json()) as { transport: { closed: Counts; faults: Counts } }).transport;
  };

  const url = (): string => cluster.gateways[0]?.wsUrl ?? "";

  /** Sends one raw frame on a connection after its welcome, and returns the response. */
  async function answerTo(raw: string | Uint8Array): Promise<string> {
    const socket = await CmSocket.open(url(), "eve");
    socket.raw(raw);
    const answer = await socket
      .until((frame) => frame.type === "error")
      .then(
        (frame) => (frame.type === "error" ? frame.code : ""),
        async () => `closed ${(await socket.closed).code}`,
      );
    socket.terminate();
    return answer;
  }

  it("answers garbage with a code, and no other client notices", async () => {
    await undisturbed(async () => {
      const expected: [string | Uint8Array, string][] = [
        ["", "frame-not-json"],
        ["not json", "frame-not-json"],
        ['{"type":"join","room":"cut o', "frame-not-json"],
        ["null", "frame-invalid"],
        ["[]", "frame-invalid"],
        ['"text"', "frame-invalid"],
        ["{}", "operation-unknown"],
        ['{"type":"fly"}', "operation-unknown"],
        ['{"type":"constructor"}', "operation-unknown"],
        ['{"type":{}}', "operation-unknown"],
        ['{"type":"join"}', "name-invalid"],
        ['{"type":"join","room":"x","ref":{}}', "frame-invalid"],
        ['{"type":"publish","room":"x"}', "frame-invalid"],
        ['{"type":"publish","room":"not joined","data":1}', "not-a-member"],
        ['{"type":"members","room":"x","limit":0}', "frame-invalid"],
        ['{"type":"members","room":"x","cursor":"\\u0000nonsense"}', "options-invalid"],
        ['{"type":"send","data":1}', "frame-invalid"],
        ['{"type":"send","connection":"x","data":1}', "id-invalid"],
        ['{"type":"hello","version":1}', "hello-repeated"],
        [`{"type":"send","user":"eve","data":${"[".repeat(7000)}${"]".repeat(7000)}}`, "payload-unserializable"],
        [new Uint8Array([0, 1, 2, 255]), "frame-not-text"],
      ];
      for (const [raw, code] of expected)
        expect([String(raw).slice(0, 60), await answerTo(raw)]).toEqual([String(raw).slice(0, 60), code]);
    });
  });

  it("refuses a frame that is too large, and no other client notices", async () => {
    await undisturbed(async () => {
      const data = "x".repeat(20_000);
      expect(["frame-too-large", "closed 1009", "closed 1006", "closed 4000"]).toContain(
        await answerTo(JSON.stringify({ type: "send", user: "eve", data })),
      );
      expect(["frame-too-large", "closed 1009", "closed 1006", "closed 4000"]).toContain(
        await answerTo("x".repeat(5_000_000)),
      );
    });
  });

  it("closes a connection that sends faulty frames again and again, and /stats says so", async () => {
    await undisturbed(async () => {
      const before = await transport();
      const socket = await CmSocket.open(url(), "eve");
      for (let i = 0; i < 40; i++) socket.raw("garbage");
      expect(await socket.closed).toMatchObject({ code: 4000 });
      const after = await transport();
      expect((after.faults["frame-not-json"] ?? 0) - (before.faults["frame-not-json"] ?? 0)).toBeGreaterThan(10);
      expect((after.closed["protocol-error"] ?? 0) - (before.closed["protocol-error"] ?? 0)).toBe(1);
    });
  });

  it("limits a flood with a code, then closes it, and /stats says so", async () => {
    await undisturbed(async () => {
      const before = await transport();
      const socket = await CmSocket.open(url(), "eve");
      for (let i = 0; i < 2_000; i++) socket.raw('{"type":"ping"}');
      expect(await socket.closed).toMatchObject({ code: 4203 });
      expect(
        socket.received.filter((frame) => frame.type === "error" && frame.code === "rate-limited").length,
      ).toBeGreaterThan(0);
      const after = await transport();
      expect((after.faults["rate-limited"] ?? 0) - (before.faults["rate-limited"] ?? 0)).toBeGreaterThan(100);
      expect((after.closed.overloaded ?? 0) - (before.closed.overloaded ?? 0)).toBe(1);
    });
  });

  it("wants a hello first, of a version that it speaks", async () => {
    const early = await openSocket(url(), "eve");
    early.send('{"type":"join","room":"x","ref":"r"}');
    const [first] = await once(early, "message");
    expect(JSON.parse(String(first))).toMatchObject({ type: "error", code: "hello-required", ref: "r" });
    early.send('{"type":"hello","version":2}');
    const [second] = await once(early, "message");
    expect(JSON.parse(String(second))).toMatchObject({ type: "error", code: "version-unsupported" });
    const [code] = await once(early, "close");
    expect(code).toBe(4002);
  });

  it("carries out what was sent right behind the hello, in order", async () => {
    const socket = await openSocket(url(), "eager");
    const frames: Record<string, unknown>[] = [];
    socket.on("message", (data) => frames.push(JSON.parse(String(data)) as Record<string, unknown>)); // The server's own format.
    for (const request of [
      { type: "hello", version: 1, ref: 0 },
      { type: "join", room: "eager", ref: 1 },
      { type: "publish", room: "eager", data: "hi", ref: 2 },
      { type: "leave", room: "eager", ref: 3 },
      { type: "publish", room: "eager", data: "late", ref: 4 },
    ]) {
      socket.send(JSON.stringify(request));
    }
    await eventually(() => expect(frames.filter(({ ref }) => ref !== undefined)).toHaveLength(5));
    expect(frames.filter(({ ref }) => ref !== undefined).map(({ type, ref, code }) => [type, ref, code])).toEqual([
      ["welcome", 0, undefined],
      ["ack", 1, undefined],
      ["ack", 2, undefined],
      ["ack", 3, undefined],
      ["error", 4, "not-a-member"],
    ]);
    socket.terminate();
  });

  it("lists a member that requests the list right after its join", async () => {
    const socket = await cluster.connect(0, "eager");
    for (let i = 0; i < 20; i++) {
      const room = `listed-${i}`;
      const [, listed] = await Promise.all([socket.ask({ type: "join", room }), socket.ask({ type: "members", room })]);
      expect(listed).toMatchObject({ type: "members", total: 1, members: [{ user: "eager" }] });
    }
    await socket.close();
  });

  it("survives bytes that are not a WebSocket handshake", async () => {
    await undisturbed(async () => {
      const port = cluster.gateways[0]?.port ?? 0;
      for (const bytes of [
        "\u0000\u0001\u0002\r\n\r\n",
        "GET /ws HTTP/1.1\r\n\r\n",
        `GET /${"x".repeat(100_000)}`,
        "POST /ws HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
      ]) {
        const socket = connect(port, "127.0.0.1");
        socket.on("error", () => undefined);
        socket.write(bytes);
        await eventually(() => expect(socket.bytesWritten).toBeGreaterThan(0));
        socket.destroy();
      }
      // Open one WebSocket with an incomplete first frame, and one with a frame that violates RFC 6455.
      for (const bytes of [
        [0x81, 0xfe, 0x40],
        [0xff, 0x80, 1, 2, 3, 4],
      ]) {
        const socket = await openSocket(url(), "raw");
        // Write to the socket underneath `ws`, because `ws` itself never sends such frames.
        (socket as unknown as { _socket: { write(data: Buffer): void } })._socket.write(Buffer.from(bytes));
        socket.terminate();
      }
      const refused = await fetch(`http://127.0.0.1:${port}/nothing-here`);
      expect(refused.status).toBe(404);
    });
  });

  it("holds a connection to its rooms, and says how many it may have", async () => {
    const socket = await cluster.connect(0, "collector");
    const limit = socket.welcome.limits.maxRooms;
    expect(limit).toBe(100);
    for (let i = 0; i < limit; i++) await socket.do({ type: "join", room: `collected-${i}` });
    expect(await socket.ask({ type: "join", room: "one more" })).toMatchObject({ code: "rooms-limit" });
    // Send both at once: the place is free as soon as the leave is handled, before its response.
    const [left, joined] = await Promise.all([
      socket.ask({ type: "leave", room: "collected-0" }),
      socket.ask({ type: "join", room: "one more" }),
    ]);
    expect([left.type, joined.type]).toEqual(["ack", "ack"]);
    expect(await socket.ask({ type: "join", room: "another" })).toMatchObject({ code: "rooms-limit" });
    await socket.close();
  });
});

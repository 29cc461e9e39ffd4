import { openSocket } from "@cm/gateway-kit/clients/cm-socket";
import { startGatewayCluster } from "@cm/gateway-kit/processes/gateway-cluster";
import { eventually } from "@cm/test-kit";
import { expect, it, onTestFinished } from "vitest";

interface Frame {
  readonly type: string;
  readonly data?: unknown;
}

it("sends a client nothing before its welcome, and loses none of the messages that arrived before", async () => {
  const cluster = await startGatewayCluster({ size: 2, env: { MAX_REQUESTS_PER_SECOND: "100000" } });
  onTestFinished(() => cluster.close());
  const [wsUrl = ""] = cluster.wsUrls;
  // One sender on the same gateway, one on the other.
  const senders = await Promise.all([cluster.connect(0, "near"), cluster.connect(1, "far")]);
  let found = 0;
  for (let trial = 0; trial < 150; trial++) {
    const user = `user-${trial}`;
    const socket = await openSocket(wsUrl, user);
    const frames: Frame[] = [];
    socket.on("message", (data) => frames.push(JSON.parse(String(data)) as Frame)); // The server's own format.
    const early: string[] = [];
    const sending = senders.map(async (sender, index) => {
      for (let n = 0; !frames.some(({ type }) => type === "welcome"); n++) {
        const data = `${index}-${n}`;
        const answer = await sender.ask({ type: "send", user, data });
        if (answer.type === "ack") early.push(data);
      }
    });
    socket.send(JSON.stringify({ type: "hello", version: 1 }));
    await Promise.all(sending);
    expect(frames[0]?.type).toBe("welcome");
    await eventually(() =>
      expect(frames.flatMap(({ type, data }) => (type === "direct" ? [data] : [])).sort()).toEqual(early.sort()),
    );
    found += early.length;
    socket.terminate();
  }
  // Some messages arrived during the registration.
  expect(found).toBeGreaterThan(0);
});

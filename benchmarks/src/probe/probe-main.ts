/** The probe process: pings a server at an even pace, and sends the latencies of the pongs when it is told to stop. */
import WebSocket from "ws";
import { CONTENDERS } from "../contenders.js";
import { RoomSession } from "../protocols/room-session.js";
import type { PingLatency, ProbeJob } from "./probe-process.js";

/** Time between two pings, in milliseconds: long enough that the pings do not affect the server's load. */
const EVERY_MS = 20;

process.once("message", (job) => {
  // The cast is safe: the only sender is probe-process.ts of the same build.
  const { url: text, contender } = job as ProbeJob;
  const url = new URL(text);
  const { protocol } = CONTENDERS[contender];
  const { subprotocol } = protocol;
  const socket = new WebSocket(
    new URL(protocol.path(url, "probe"), url),
    subprotocol === undefined ? [] : [subprotocol],
  );
  const tookMs: number[] = [];
  let isMeasured = false;
  // Each ping carries the time at which it was due, so that a delay in sending it counts as well.
  socket.on("pong", (data) => {
    if (isMeasured) tookMs.push(performance.now() - Number(data.toString()));
  });
  const begin = (): void => {
    let due = performance.now();
    setInterval(() => {
      for (; due <= performance.now(); due += EVERY_MS) socket.ping(String(due));
    }, 1);
    process.send?.("ready");
  };
  const failed = (code: string): void => {
    console.error(code);
    process.exit(1);
  };
  const session: RoomSession = new RoomSession(protocol, {
    send: (frame) => socket.send(frame),
    ready: () => session.join("probe", begin),
    failed,
  });
  socket.once("open", () => session.opened());
  socket.on("message", (data) => session.control(String(data)));
  socket.once("error", (error) => failed(error.message));
  process.on("message", (word) => {
    if (word === "begin") {
      isMeasured = true;
      return;
    }
    tookMs.sort((left, right) => left - right);
    const at = (share: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(share * tookMs.length))] ?? 0;
    const latency: PingLatency = { pings: tookMs.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
    process.send?.(latency, () => process.exit(0));
  });
});

import { CmError } from "@cm/protocol";
import { openFleet } from "./clients/fleet.js";
import { type LoadOptions, type ResolvedLoadOptions, resolveLoadOptions } from "./load-options.js";
import { runPaced } from "./pacer.js";
import type { LoadProgress } from "./report/load-progress.js";
import type { LoadReport } from "./report/load-report.js";
import { LoadTally } from "./report/load-tally.js";
import { SteadyMeter } from "./report/steady-meter.js";
import { createSeededRandom } from "./seeded-random.js";
import { PayloadWriter } from "./stamped-payload.js";

/**
 * Time without any arrival after the last publish, in milliseconds, after which missing messages count as lost.
 */
const QUIET_MS = 2_000;

/** Time to continue listening after everything has arrived, in milliseconds, to detect unexpected messages. */
const AFTERMATH_MS = 250;

/** Maximum time to wait for late deliveries, in milliseconds. */
const SETTLE_MAX_MS = 60_000;

/**
 * Opens all connections, joins all rooms, publishes at an even pace, and checks what arrives. Resolves with
 * the report, even if it contains failures. Rejects with `options-invalid`, or with `unavailable` if no
 * connection joined its room.
 */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const resolved = resolveLoadOptions(options);
  const random = createSeededRandom(resolved.seed);
  const run = Math.trunc(random() * 16 ** 4);
  const roomName = (room: number) => `load-${run.toString(16)}-${room}`;
  const tally = new LoadTally(resolved, run);
  const progress = reportProgress(resolved, tally);
  try {
    const fleet = await openFleet(resolved, roomName, tally);
    try {
      if (tally.joined === 0) {
        throw new CmError("unavailable", "No connection came into its room.", {
          details: { errors: tally.errors.toRecord(), closes: tally.closes.toRecord() },
        });
      }
      const send = createSender(resolved, tally, fleet.members, new PayloadWriter(run, resolved.bytes), random);
      const { rate, burst, signal } = resolved;
      const now = () => performance.now();
      tally.startClock();
      progress.phase("warming-up");
      const warmup = await runPaced({ rate, burst, seconds: resolved.warmupSeconds, send, signal, now });
      progress.phase("publishing");
      tally.beginLatency();
      const meter = new SteadyMeter(tally);
      resolved.onSteady?.("begin");
      const pace = await runPaced({ rate, burst, seconds: resolved.seconds, send, signal, now });
      resolved.onSteady?.("end");
      const { steady, driver } = meter.read(rate, pace);
      progress.phase("settling");
      await untilSettled(tally);
      tally.stopCountingCloses();
      const forfeited = { late: warmup.late + pace.late, blocked: warmup.blocked + pace.blocked };
      return tally.report({ forfeited, steady, driver });
    } finally {
      tally.stopCountingCloses();
      await fleet.close();
    }
  } finally {
    progress.stop();
  }
}

type Sender = (dueAtMs: number) => boolean;

/**
 * Returns a function that publishes one message per call, and returns whether it could. Rooms take turns, each
 * with a burst of messages. The first publisher of a burst is random, and the others follow it.
 */
function createSender(
  { rooms, members, publishers, burst }: ResolvedLoadOptions,
  tally: LoadTally,
  fleet: readonly ({ readonly canPublish: boolean; publish(payload: string, sequence: number): void } | undefined)[],
  payloads: PayloadWriter,
  random: () => number,
): Sender {
  const sequences = new Int32Array(rooms * publishers);
  let turn = 0;
  let first = 0;
  return (dueAtMs) => {
    if (tally.isSaturated) return false;
    const room = Math.trunc(turn / burst) % rooms;
    const inBurst = turn++ % burst;
    if (inBurst === 0) first = Math.trunc(random() * publishers);
    // If the chosen publisher cannot send, use the next one of the room that can.
    for (let offset = 0; offset < publishers; offset++) {
      const inRoom = (first + inBurst + offset) % publishers;
      const member = fleet[room * members + inRoom];
      if (member?.canPublish !== true) continue;
      const publisher = room * publishers + inRoom;
      const sequence = sequences[publisher] ?? 0;
      sequences[publisher] = sequence + 1;
      tally.published(publisher, sequence, room);
      // Latency counts from the time at which the message was due, even if the driver was late. Otherwise a driver that
      // waits for the same core as a slow server would not notice the slowest messages.
      member.publish(payloads.write(publisher, sequence, tally.toUs(dueAtMs)), sequence);
      return true;
    }
    return false;
  };
}

async function untilSettled(tally: LoadTally): Promise<void> {
  const deadline = performance.now() + SETTLE_MAX_MS;
  let arrivals = -1;
  let changedAt = performance.now();
  for (;;) {
    const now = performance.now();
    if (tally.arrivals !== arrivals) {
      arrivals = tally.arrivals;
      changedAt = now;
    }
    const patienceMs = tally.isComplete ? AFTERMATH_MS : QUIET_MS;
    if (now - changedAt >= patienceMs || now >= deadline) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function reportProgress({ onProgress }: ResolvedLoadOptions, tally: LoadTally) {
  let phase: LoadProgress["phase"] = "connecting";
  let phaseAt = performance.now();
  let last = { at: phaseAt, published: 0, delivered: 0 };
  const timer = setInterval(() => {
    const at = performance.now();
    const seconds = (at - last.at) / 1000;
    const { published, delivered } = tally.totals();
    const recent = tally.takeRecentLatency();
    onProgress?.({
      phase,
      elapsedSeconds: (at - phaseAt) / 1000,
      connections: tally.joined,
      publishedPerSecond: (published - last.published) / seconds,
      deliveredPerSecond: (delivered - last.delivered) / seconds,
      p50Ms: recent.p50,
      p99Ms: recent.p99,
    });
    last = { at, published, delivered };
  }, 1000);
  return {
    phase(next: LoadProgress["phase"]) {
      phase = next;
      phaseAt = performance.now();
    },
    stop: () => clearInterval(timer),
  };
}

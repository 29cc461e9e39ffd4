import { startRecordingRelay } from "@cm/test-kit";
import { onTestFinished } from "vitest";

/** A TCP relay in front of Redis that records the bytes that clients send. */
export interface CallRelay {
  readonly url: string;
  /** Returns the bytes that clients sent since the last call, as Latin-1 text. */
  take(): string;
}

/** Starts a relay in front of the Redis at this URL. The relay is closed when the test finishes. */
export async function startRelay(redisUrl: string): Promise<CallRelay> {
  let sent = "";
  const relay = await startRecordingRelay(Number(new URL(redisUrl).port), () => ({
    toServer: (chunk) => {
      sent += chunk.toString("latin1");
    },
  }));
  onTestFinished(() => relay.close());
  return {
    url: `redis://127.0.0.1:${relay.port}`,
    take: () => {
      const taken = sent;
      sent = "";
      return taken;
    },
  };
}

/** Extracts the script calls from recorded bytes, each with its arguments. Probes of the link are not script calls. */
export function scriptCalls(sent: string): string[] {
  return sent.split(/(?=\*\d+\r\n\$7\r\nevalsha\r\n)/).filter((call) => /^\*\d+\r\n\$7\r\nevalsha\r\n/.test(call));
}

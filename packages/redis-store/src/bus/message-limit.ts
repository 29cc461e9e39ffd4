import { CmError } from "@cm/protocol";

/**
 * Maximum size of one message in bytes. Redis closes the connection of a subscriber whose output buffer
 * exceeds 32 MiB, or 8 MiB for a minute (`client-output-buffer-limit pubsub 32mb 8mb 60`, its default): a
 * larger message could interrupt every server that subscribes to the channel.
 */
export const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;

export function tooLarge(bytes: number): CmError {
  return new CmError("payload-too-large", `The message has ${bytes} bytes; the limit is ${MESSAGE_BYTES_MAX}.`, {
    details: { bytes, maxBytes: MESSAGE_BYTES_MAX },
  });
}

import { CmError } from "@cm/protocol";

/**
 * The most bytes of one message. Redis closes a subscriber for whom more than 32 MiB wait, or more
 * than 8 MiB for a minute (`client-output-buffer-limit pubsub 32mb 8mb 60`, its default): a larger
 * message would interrupt every server that hears it.
 */
export const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;

export function tooLarge(bytes: number): CmError {
  return new CmError("payload-too-large", `A message of ${bytes} bytes is more than ${MESSAGE_BYTES_MAX}.`, {
    details: { bytes, maxBytes: MESSAGE_BYTES_MAX },
  });
}

import { CmError } from "./errors.js";
import { utf8ByteLength } from "./utf8.js";

/** The maximum length of a room record's value, in bytes of UTF-8. */
export const ROOM_RECORD_MAX_BYTES = 16_384;

/** Returns the value of a room's record unchanged. Throws `payload-too-large` if it is too long. */
export function requireRoomRecordValue(value: string): string {
  if (utf8ByteLength(value) <= ROOM_RECORD_MAX_BYTES) return value;
  throw new CmError("payload-too-large", `A room's record is longer than ${ROOM_RECORD_MAX_BYTES} bytes.`, {
    details: { maxBytes: ROOM_RECORD_MAX_BYTES },
  });
}

import { createEnvelopeHeader, type StampedDraft } from "@cm/protocol";

/** The frame on a room's channel that announces a new epoch. It is not a message for members. */
const FRAME = Buffer.from('{"type":"history"}');

/** Index in the frame at which the stamp is inserted, after the `{`. */
const CUT = 1;

/**
 * Creates the notice to all servers that a new epoch of a room's history has begun. Clients never receive it.
 */
export function epochNotice(origin: string, room: string): StampedDraft {
  const header = createEnvelopeHeader({ kind: "room", origin, target: room, isStamped: true, except: [] });
  const before = Buffer.alloc(header.bytes + CUT);
  FRAME.copy(before, header.bytes, 0, CUT);
  // The notice belongs to no sequencer, so it has no number.
  header.write(before, { epoch: 0, sequence: 0 });
  return { before, after: FRAME.subarray(CUT) };
}

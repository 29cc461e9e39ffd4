import { createEnvelopeHeader, type StampedDraft } from "@cm/protocol";

/** What goes over a room's channel where another history begins: a frame that is no message. */
const FRAME = Buffer.from('{"type":"history"}');

/** Behind its `{` comes the stamp. */
const CUT = 1;

/** The notice of a server that another history of a room begins; clients never see it. */
export function historyNotice(origin: string, room: string): StampedDraft {
  const header = createEnvelopeHeader({ kind: "room", origin, target: room, isStamped: true, except: [] });
  const before = Buffer.alloc(header.bytes + CUT);
  FRAME.copy(before, header.bytes, 0, CUT);
  // It is nobody's message, and has no number.
  header.write(before, { epoch: 0, sequence: 0 });
  return { before, after: FRAME.subarray(CUT) };
}

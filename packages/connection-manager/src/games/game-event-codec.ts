import {
  CmError,
  decodeUtf8,
  encodeUtf8,
  GAME_STATES,
  type GameEvent,
  type GameState,
  parseGameEvent,
  type Result,
  toCmError,
} from "@cm/protocol";

/** The type of the event that tells a game's new state, in `data.state`. */
export const STATE_CHANGED = "game-state-changed";

/** How the bytes of such an event begin: the type is always written first. */
const STATE_CHANGED_HEAD = encodeUtf8(`{"type":"${STATE_CHANGED}"`);

/**
 * The bytes of an event as they go over the bus: JSON, its type first. Fails with
 * `event-invalid`, `payload-unserializable` or `payload-too-large`.
 */
export function encodeGameEvent(
  event: unknown,
  { gameId, serverInstance, maxBytes }: { gameId: string; serverInstance: string; maxBytes: number },
): Uint8Array {
  let text: string;
  try {
    const parsed = parseGameEvent(event);
    if (!parsed.ok) throw parsed.error;
    const { type, ...others } = parsed.value;
    // A toJSON of the event's own could make something else of what was just checked.
    text = JSON.stringify({ type, ...others, gameId, serverInstance, toJSON: undefined });
  } catch (cause) {
    throw toCmError(cause, "payload-unserializable", "The event can't be written as JSON.");
  }
  const bytes = encodeUtf8(text);
  if (bytes.length <= maxBytes) return bytes;
  throw new CmError("payload-too-large", `The event has ${bytes.length} bytes, more than ${maxBytes}.`, {
    details: { maxBytes, bytes: bytes.length },
  });
}

/** Reads an event; `event-invalid` where the bytes are none. */
export function decodeGameEvent(bytes: Uint8Array): Result<GameEvent> {
  const text = decodeUtf8(bytes);
  try {
    return parseGameEvent(text === undefined ? undefined : JSON.parse(text));
  } catch {
    // JSON.parse has no way but throwing to say "not JSON".
    return parseGameEvent(undefined);
  }
}

/** Whether the bytes are of an event that tells a game's state, or claims to. */
export function tellsState(bytes: Uint8Array): boolean {
  return STATE_CHANGED_HEAD.every((byte, i) => bytes[i] === byte);
}

/** The state that an event tells, judged by its first bytes before anything is parsed. */
export function stateToldBy(bytes: Uint8Array): GameState | undefined {
  if (!tellsState(bytes)) return undefined;
  const event = decodeGameEvent(bytes);
  const data = event.ok ? event.value.data : undefined;
  if (typeof data !== "object" || data === null || !("state" in data)) return undefined;
  return GAME_STATES.find((state) => state === data.state);
}

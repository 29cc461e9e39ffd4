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
import { jsonText } from "../../json-serialization.js";

/** The type of the event that reports a game's new state, in `data.state`. */
export const STATE_CHANGED = "game-state-changed";

/**
 * The first bytes of a {@link STATE_CHANGED} event. `JSON.stringify` never begins with a space, so no message
 * of the sockets API, which may use the same room, can be mistaken for such an event.
 */
const STATE_CHANGED_HEAD = encodeUtf8(` {"type":"${STATE_CHANGED}"`);

/**
 * Encodes an event for the bus: as JSON with its type first, and preceded by a space for
 * {@link STATE_CHANGED}. Throws `event-invalid`, `payload-unserializable` or `payload-too-large`.
 */
export function encodeGameEvent(
  event: unknown,
  { gameId, serverInstance, maxBytes }: { gameId: string; serverInstance: string; maxBytes: number },
): Uint8Array {
  let text: string;
  try {
    const parsed = parseGameEvent(event);
    if (!parsed.ok) throw parsed.error;
    // Remove `toJSON`: the event's own method could replace the values that were just checked.
    const { type, toJSON: _, ...others } = parsed.value as GameEvent & { readonly toJSON?: unknown };
    text = jsonText({ type, ...others, gameId, serverInstance });
    if (type === STATE_CHANGED) text = ` ${text}`;
  } catch (cause) {
    throw toCmError(cause, "payload-unserializable", "The event can't be written as JSON.");
  }
  const bytes = encodeUtf8(text);
  if (bytes.length <= maxBytes) return bytes;
  throw new CmError("payload-too-large", `The event has ${bytes.length} bytes; the limit is ${maxBytes}.`, {
    details: { maxBytes, bytes: bytes.length },
  });
}

/**
 * Decodes an event. Returns `event-invalid` if the bytes are not a valid event, or have the type {@link
 * STATE_CHANGED} but not the first bytes of such an event.
 */
export function decodeGameEvent(bytes: Uint8Array): Result<GameEvent> {
  const event = parse(bytes);
  if (!event.ok || event.value.type !== STATE_CHANGED || carriesState(bytes)) return event;
  return {
    ok: false,
    error: new CmError("event-invalid", `A ${STATE_CHANGED} event was not published by setGameState.`),
  };
}

function parse(bytes: Uint8Array): Result<GameEvent> {
  const text = decodeUtf8(bytes);
  try {
    return parseGameEvent(text === undefined ? undefined : JSON.parse(text));
  } catch {
    // `JSON.parse` throws if the text is not JSON.
    return parseGameEvent(undefined);
  }
}

/** Whether the bytes are an event that reports a game's state. */
export function carriesState(bytes: Uint8Array): boolean {
  return STATE_CHANGED_HEAD.every((byte, i) => bytes[i] === byte);
}

/** Returns the state that an event reports, if any. Checks the first bytes before anything is parsed. */
export function stateIn(bytes: Uint8Array): GameState | undefined {
  if (!carriesState(bytes)) return undefined;
  const event = decodeGameEvent(bytes);
  const data = event.ok ? event.value.data : undefined;
  if (typeof data !== "object" || data === null || !("state" in data)) return undefined;
  return GAME_STATES.find((state) => state === data.state);
}

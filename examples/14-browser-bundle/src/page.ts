/*
 * A client for browsers: `main.ts` bundles it, without anything of Node.js. It checks frames with the same code as
 * the server.
 */
import {
  CLIENT_PROTOCOL_VERSION,
  type ClientFrame,
  decodeUtf8,
  isClientErrorCode,
  mayReconnect,
  parseClientFrame,
  SUBPROTOCOL,
} from "@cm/protocol";

/**
 * Opens a connection to a gateway and sends the hello. `onFrame` is called with every frame. Connects again after
 * a close whose code allows it.
 */
export function connect(url: string, onFrame: (frame: { readonly type: string }) => void): WebSocket {
  const socket = new WebSocket(url, SUBPROTOCOL);
  socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: CLIENT_PROTOCOL_VERSION }));
  socket.onmessage = ({ data }) => onFrame(JSON.parse(String(data)) as { readonly type: string }); // The cast is safe: every server frame has a type.
  socket.onclose = ({ code }) => {
    if (mayReconnect(code)) setTimeout(() => connect(url, onFrame), 1_000 + Math.random() * 1_000);
  };
  return socket;
}

/**
 * Returns the type of a frame that the gateway would accept, or the error code with which it would refuse the
 * frame.
 */
export function check(text: string): ClientFrame["type"] | string {
  const result = parseClientFrame(text);
  if (result.ok) return result.value.type;
  return isClientErrorCode(result.error.code) ? result.error.code : "internal";
}

/** Decodes UTF-8; returns `undefined` for other bytes. */
export const readText = decodeUtf8;

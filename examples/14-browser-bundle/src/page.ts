/*
 * A client for browsers: `npm run build` bundles it for a page, without anything of Node.js. The
 * frames are checked by the same code as on the server.
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

/** Opens a connection to a gateway and says hello. `onFrame` hears every frame. */
export function connect(url: string, onFrame: (frame: { readonly type: string }) => void): WebSocket {
  const socket = new WebSocket(url, SUBPROTOCOL);
  socket.onopen = () => socket.send(JSON.stringify({ type: "hello", version: CLIENT_PROTOCOL_VERSION }));
  socket.onmessage = ({ data }) => onFrame(JSON.parse(String(data)) as { readonly type: string }); // As the protocol says.
  socket.onclose = ({ code }) => {
    if (mayReconnect(code)) setTimeout(() => connect(url, onFrame), 1_000 + Math.random() * 1_000);
  };
  return socket;
}

/** A frame that the gateway would take, or the code by which it would refuse it. */
export function check(text: string): ClientFrame["type"] | string {
  const result = parseClientFrame(text);
  if (result.ok) return result.value.type;
  return isClientErrorCode(result.error.code) ? result.error.code : "internal";
}

/** Bytes as text; undefined where they are no UTF-8. */
export const readText = decodeUtf8;

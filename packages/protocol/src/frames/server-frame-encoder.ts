import type { Ref } from "./field-kinds.js";
import type { FrameOf } from "./frame-description.js";
import type { SERVER_FRAMES } from "./server-frame-descriptions.js";

/** A frame that a server sends to a client. */
export type ServerFrame = FrameOf<(typeof SERVER_FRAMES)[number]>;

/**
 * Formats a frame as text, with the `ref` of the request that it answers. `data` must be a JSON value,
 * and not nested so deeply that `JSON.stringify` fails.
 */
export function encodeServerFrame(frame: ServerFrame & { readonly ref?: Ref }): string {
  return JSON.stringify(frame);
}

import type { FrameOf } from "./description.js";
import type { Ref } from "./kinds.js";
import type { SERVER_FRAMES } from "./server-frames.js";

/** What a server sends to a client. */
export type ServerFrame = FrameOf<(typeof SERVER_FRAMES)[number]>;

/** A frame as text, with the reference of the request that it answers. `data` must be a value that JSON can carry and not nested without end. */
export function encodeServerFrame(frame: ServerFrame & { readonly ref?: Ref }): string {
  return JSON.stringify(frame);
}

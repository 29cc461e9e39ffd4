import type { ClientErrorCode } from "../errors.js";
import { type Field, type Fields, type Flat, type ObjectOf, optional, type ReadableKind } from "./field-description.js";
import { ref } from "./field-kinds.js";

/** The text about a frame's operation in the AsyncAPI document. */
export interface OperationText {
  /** The operation's name. Frames with the same name belong to one operation. */
  readonly name: string;
  /** A title of two or three words. */
  readonly title: string;
  /** What the operation does, in one sentence. */
  readonly summary?: string;
}

/** The properties of a description besides its type and fields. */
interface ClientFrameText {
  /** The `type` on the wire. Default: the frame's own type. */
  readonly wireType?: string;
  /** The field that distinguishes the frame from another frame with the same type on the wire. */
  readonly chosenBy?: string;
  /** The message's name in the AsyncAPI document. Default: the frame's own type. */
  readonly message?: string;
  /** The operation that the frame requests. */
  readonly operation: OperationText;
  /** The type of the server frame that answers the request. */
  readonly answer: string;
  /** A note about the answer, for the protocol page. */
  readonly answerNote?: string;
  /**
   * The error codes that are specific to this request. Codes that any invalid or rejected frame can get
   * are not listed.
   */
  readonly errors: readonly ClientErrorCode[];
}

/** Describes one request of a client: the parser, the types and the documents are all derived from it. */
export interface ClientFrameDescription<
  Type extends string = string,
  F extends Fields<ReadableKind<unknown>> = Fields<ReadableKind<unknown>>,
> extends ClientFrameText {
  /** The frame's name in this code: the `type` on the wire, unless two frames share that type. */
  readonly type: Type;
  readonly wireType: string;
  readonly message: string;
  /** The frame's fields besides `type`. */
  readonly fields: F & { readonly ref: Field<ReadableKind<string | number>, "optional"> };
}

/** Describes one frame that a server sends: the types and the documents are derived from it. */
export interface ServerFrameDescription<Type extends string = string, F extends Fields = Fields> {
  /** The frame's `type`. */
  readonly type: Type;
  /** The frame's fields besides `type`. */
  readonly fields: F;
  /** The text about the frame's operation. Absent if the frame is only sent as the answer to a request. */
  readonly operation?: OperationText;
}

/** Describes a request. A `ref` field is added to every request. */
export function clientFrame<const Type extends string, F extends Fields<ReadableKind<unknown>>>(
  type: Type,
  fields: F,
  text: ClientFrameText,
): ClientFrameDescription<Type, F> {
  return { wireType: type, message: type, ...text, type, fields: { ...fields, ref: optional(ref) } };
}

/** Describes a frame that a server sends. */
export function serverFrame<const Type extends string, F extends Fields>(
  type: Type,
  fields: F,
  operation?: OperationText,
): ServerFrameDescription<Type, F> {
  return operation === undefined ? { type, fields } : { type, fields, operation };
}

/** The frame type of a description, or the union of the frame types of several descriptions. */
export type FrameOf<D extends { readonly type: string; readonly fields: Fields }> = D extends unknown
  ? Flat<{ readonly type: D["type"] } & ObjectOf<D["fields"]>>
  : never;

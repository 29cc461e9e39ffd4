import type { ClientErrorCode } from "../errors.js";
import { type Field, type Fields, type Flat, type ObjectOf, optional, type ReadableKind } from "./field.js";
import { ref } from "./kinds.js";

/** What the AsyncAPI document says about the operation that a frame belongs to. */
export interface OperationText {
  /** The operation's name. Frames that share it are one operation. */
  readonly name: string;
  /** The operation in two or three words. */
  readonly title: string;
  /** What it does, in one sentence. */
  readonly summary?: string;
}

/** What a description holds beside type and fields. */
interface ClientFrameText {
  /** The `type` on the wire; as the frame's own where absent. */
  readonly wireType?: string;
  /** The field that tells the frame from another one with the same type on the wire. */
  readonly chosenBy?: string;
  /** The message's name in the AsyncAPI document; the type where absent. */
  readonly message?: string;
  /** The operation that it asks for. */
  readonly operation: OperationText;
  /** The type of the server frame that answers it. */
  readonly answer: string;
  /** What is particular about the answer, for the protocol page. */
  readonly answerNote?: string;
  /** The codes that a client may expect of it. Those of any faulty or refused frame are not repeated. */
  readonly errors: readonly ClientErrorCode[];
}

/** One request of a client: all that parser, types and documents know of it. */
export interface ClientFrameDescription<
  Type extends string = string,
  F extends Fields<ReadableKind<unknown>> = Fields<ReadableKind<unknown>>,
> extends ClientFrameText {
  /** The frame's name in this code: its `type` on the wire, unless two frames share one. */
  readonly type: Type;
  readonly wireType: string;
  readonly message: string;
  /** Its fields beside `type`. */
  readonly fields: F & { readonly ref: Field<ReadableKind<string | number>, "optional"> };
}

/** One frame that a server sends: all that types and documents know of it. */
export interface ServerFrameDescription<Type extends string = string, F extends Fields = Fields> {
  /** The frame's `type`. */
  readonly type: Type;
  /** Its fields beside `type`. */
  readonly fields: F;
  /** Absent where the frame only answers requests. */
  readonly operation?: OperationText;
}

/** Describes a request. Every request may carry a `ref`, which needs no saying. */
export function clientFrame<const Type extends string, F extends Fields<ReadableKind<unknown>>>(
  type: Type,
  fields: F,
  text: ClientFrameText,
): ClientFrameDescription<Type, F> {
  return { wireType: type, message: type, ...text, type, fields: { ...fields, ref: optional(ref) } };
}

/** Describes a frame of the server. */
export function serverFrame<const Type extends string, F extends Fields>(
  type: Type,
  fields: F,
  operation?: OperationText,
): ServerFrameDescription<Type, F> {
  return operation === undefined ? { type, fields } : { type, fields, operation };
}

/** The type of the frames that a description, or each of several, stands for. */
export type FrameOf<D extends { readonly type: string; readonly fields: Fields }> = D extends unknown
  ? Flat<{ readonly type: D["type"] } & ObjectOf<D["fields"]>>
  : never;

import { isCmError } from "@cm/protocol";
import { causesOf } from "./logged-error.js";

type Fields = Readonly<Record<string, unknown>>;

/** Emits a warning; `process.emitWarning` by default. */
type Emit = (
  message: string,
  options: { readonly type: string; readonly code?: string; readonly detail: string },
) => void;

/**
 * Creates the default logger, which emits each warning and error as a process warning, in the same form as `@cm/node`.
 * The message says what failed; the detail lists the causes and the places that threw them.
 */
export function createWarningLogger(emit: Emit = (message, options) => process.emitWarning(message, options)) {
  const type = "CmWarning";
  return {
    info: (): void => undefined,
    warn: (fields: Fields, message: string): void => emit(message, { type, detail: textOf(fields) }),
    error: ({ err, stage, ...fields }: Fields, message: string): void => {
      if (!(err instanceof Error)) {
        emit(message, { type, detail: textOf(fields) });
        return;
      }
      const code = isCmError(err) ? err.code : err.name;
      emit(`${typeof stage === "string" ? stage : message}: ${err.message} [${code}]`, {
        type,
        code,
        detail: causesOf(err),
      });
    },
  };
}

function textOf(fields: Fields): string {
  return Object.keys(fields).length === 0 ? "" : JSON.stringify(fields);
}

import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";
import { Ajv, type ValidateFunction } from "ajv";

/** One message of the AsyncAPI document. */
export interface DocumentedMessage {
  /** The message's key under `components.messages`. */
  readonly key: string;
  /** The `type` of the message's frames. */
  readonly type: string;
  readonly payload: DocumentedObject;
  readonly examples: readonly unknown[];
  readonly validate: ValidateFunction;
}

/** The parts of an object schema that the tests use. */
export interface DocumentedObject {
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, Record<string, unknown>>>;
}

/** The client protocol as documented in `docs/asyncapi.yaml`. */
export interface ProtocolDocument {
  /** Problems that the parser found; `severity` 0 is an error, 1 a warning. */
  readonly diagnostics: readonly {
    readonly severity: number;
    readonly code: string | number;
    readonly message: string;
  }[];
  /** Messages that a gateway receives. */
  readonly fromClient: readonly DocumentedMessage[];
  /** Messages that a gateway sends. */
  readonly fromServer: readonly DocumentedMessage[];
  readonly schemas: Readonly<Record<string, DocumentedObject & Record<string, unknown>>>;
  readonly errorCodes: Readonly<Record<string, { readonly retryable: boolean; readonly meaning: string }>>;
  readonly closeCodes: Readonly<Record<string, { readonly code: number; readonly reconnect: boolean }>>;
  readonly refusals: Readonly<Record<string, number>>;
  readonly validateRefusal: ValidateFunction;
}

/** A page of the project's `docs/` folder, as text. */
export function readPage(name: string): Promise<string> {
  return readFile(new URL(`../../../docs/${name}`, import.meta.url), "utf8");
}

/** Returns the rows of all Markdown tables of a page, each as a list of cells, without code marks. */
export function tableRows(page: string): string[][] {
  return page
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| -"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
}

/** Reads and checks `docs/asyncapi.yaml` and compiles its schemas. */
export async function readProtocolDocument(): Promise<ProtocolDocument> {
  const { document, diagnostics } = await new Parser().parse(await readPage("asyncapi.yaml"));
  if (document === undefined) {
    throw new Error(`The document can't be read: ${diagnostics.map(({ message }) => message).join("; ")}`);
  }
  // The parser has validated the document against the AsyncAPI meta-schema; `RawDocument` declares the part of
  // the document that is used here.
  const json = document.json() as unknown as RawDocument;
  const ajv = createValidator();
  const read = ([key, raw]: [string, RawMessage]): DocumentedMessage => ({
    key,
    type: String(raw.payload.properties.type?.const),
    payload: raw.payload,
    examples: (raw.examples ?? []).map((example) => example.payload),
    validate: ajv.compile(raw.payload),
  });
  const messagesOf = (keys: ReadonlySet<string>) =>
    Object.entries(json.components.messages)
      .filter(([key]) => keys.has(key))
      .map(read);
  const fromClient = new Set<string>();
  const fromServer = new Set<string>();
  for (const operation of document.operations()) {
    for (const message of operation.messages()) (operation.isReceive() ? fromClient : fromServer).add(message.id());
    for (const message of operation.reply()?.messages() ?? []) fromServer.add(message.id());
  }
  return {
    diagnostics,
    fromClient: messagesOf(fromClient),
    fromServer: messagesOf(fromServer),
    schemas: json.components.schemas,
    errorCodes: json["x-error-codes"],
    closeCodes: json["x-close-codes"],
    refusals: json["x-upgrade-refusals"],
    validateRefusal: ajv.compile(json.components.schemas.Refusal ?? false),
  };
}

interface RawMessage {
  readonly payload: DocumentedObject;
  readonly examples?: readonly { readonly payload: unknown }[];
}

interface RawDocument {
  readonly components: {
    readonly messages: Readonly<Record<string, RawMessage>>;
    readonly schemas: ProtocolDocument["schemas"];
  };
  readonly "x-error-codes": ProtocolDocument["errorCodes"];
  readonly "x-close-codes": ProtocolDocument["closeCodes"];
  readonly "x-upgrade-refusals": ProtocolDocument["refusals"];
}

function createValidator(): Ajv {
  const ajv = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true });
  // Declare this keyword, because the parser adds it to the schemas.
  ajv.addKeyword("x-parser-schema-id");
  ajv.addKeyword({
    keyword: "x-max-utf8-bytes",
    type: "string",
    validate: (max: number, text: string) => Buffer.byteLength(text) <= max,
  });
  ajv.addKeyword({
    keyword: "x-max-utf16-units",
    type: "string",
    validate: (max: number, text: string) => text.length <= max,
  });
  ajv.addKeyword({
    keyword: "x-well-formed",
    type: "string",
    validate: (_: boolean, text: string) => text.isWellFormed(),
  });
  return ajv;
}

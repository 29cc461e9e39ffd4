import {
  type DocumentedMessage,
  type DocumentedObject,
  type ProtocolDocument,
  readPage,
  readProtocolDocument,
} from "@cm/gateway-kit/protocol-document";
import {
  CLIENT_ERROR_CODES,
  CLIENT_FRAMES,
  CLIENT_PROTOCOL_VERSION,
  CLOSE_CODES,
  type Fields,
  type Kind,
  MEMBERS_PAGE_DEFAULT,
  MEMBERS_PAGE_MAX,
  mayReconnect,
  NAME_MAX_BYTES,
  parseClientFrame,
  REF_MAX_LENGTH,
  SERVER_FRAMES,
  SUBPROTOCOL,
} from "@cm/protocol";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";

let document: ProtocolDocument;

beforeAll(async () => {
  document = await readProtocolDocument();
});

/** Returns the names of the fields in a frame's description, with a `?` after optional ones. */
function describedFields(fields: Fields): string[] {
  return ["type", ...namesOf(fields)];
}

/** Returns the names of fields, with a `?` after optional ones. */
function namesOf(fields: Fields): string[] {
  return Object.keys(fields).map((name) => (fields[name]?.presence === "required" ? name : `${name}?`));
}

function documentedFields({ properties, required = [] }: DocumentedObject): string[] {
  return Object.keys(properties)
    .map((name) => (required.includes(name) ? name : `${name}?`))
    .sort();
}

function accepts(messages: readonly DocumentedMessage[], frame: unknown): boolean {
  return messages.some(({ validate }) => validate(frame));
}

describe("the AsyncAPI document", () => {
  it("is a valid AsyncAPI 3 document without errors or warnings", () => {
    expect(document.diagnostics.filter(({ severity }) => severity <= 1)).toEqual([]);
  });

  it("knows every frame that the code reads, field by field, and no other", () => {
    const types = document.fromClient.map(({ type }) => type);
    for (const type of types) {
      const result = parseClientFrame(JSON.stringify({ type }));
      expect(result.ok || result.error.code !== "operation-unknown", type).toBe(true);
    }
    expect(document.fromClient.map(({ key, type, payload }) => [key, type, documentedFields(payload)])).toEqual(
      CLIENT_FRAMES.map(({ message, wireType, fields }) => [message, wireType, describedFields(fields).toSorted()]),
    );
  });

  it("knows every frame that the code sends, field by field", () => {
    expect(document.fromServer.map(({ key, type, payload }) => [key, type, documentedFields(payload)])).toEqual(
      SERVER_FRAMES.map(({ type, fields }) => [type, type, describedFields(fields).toSorted()]),
    );
    expect(document.fromServer).toHaveLength(10);
    const objects = SERVER_FRAMES.flatMap(({ fields }): Kind<unknown>[] =>
      Object.values<Fields[string]>(fields).map(({ kind }) => kind.items ?? kind),
    ).filter((kind) => kind.fields !== undefined);
    expect(new Set(objects.map(({ schemaName }) => schemaName))).toEqual(
      new Set(["Sender", "MemberEntry", "ConnectionLimits"]),
    );
    for (const { schemaName = "", fields = {} } of objects) {
      const schema = document.schemas[schemaName];
      expect(schema === undefined ? [] : documentedFields(schema), schemaName).toEqual(namesOf(fields).toSorted());
    }
  });

  it("has the error codes and close codes of the code", () => {
    expect(document.errorCodes).toEqual(CLIENT_ERROR_CODES);
    expect(Object.fromEntries(Object.entries(document.closeCodes).map(([reason, { code }]) => [reason, code]))).toEqual(
      CLOSE_CODES,
    );
    for (const [reason, { code, reconnect }] of Object.entries(document.closeCodes)) {
      expect(reconnect, reason).toBe(mayReconnect(code));
    }
    const codePattern = new RegExp(String(document.schemas.ErrorCode?.pattern));
    for (const code of [...Object.keys(CLIENT_ERROR_CODES), ...Object.keys(document.refusals)]) {
      expect(code).toMatch(codePattern);
      expect(CLIENT_ERROR_CODES).toHaveProperty(code);
    }
  });

  it("has the limits of the code", async () => {
    const { Name, Ref } = document.schemas;
    const limit = document.fromClient.find(({ key }) => key === "askMembers")?.payload.properties.limit;
    const version = document.fromServer.find(({ key }) => key === "welcome")?.payload.properties.version;
    expect(Name).toMatchObject({ maxLength: NAME_MAX_BYTES, "x-max-utf8-bytes": NAME_MAX_BYTES });
    expect(Ref).toMatchObject({ "x-max-utf16-units": REF_MAX_LENGTH });
    expect(limit).toMatchObject({ minimum: 1, maximum: MEMBERS_PAGE_MAX, default: MEMBERS_PAGE_DEFAULT });
    expect(version).toMatchObject({ const: CLIENT_PROTOCOL_VERSION });
    expect(await readPage("asyncapi.yaml")).toContain(`Must list \`${SUBPROTOCOL}\``);
  });

  it("gives examples that fit its own schemas, and that the code reads", () => {
    for (const { key, examples, validate } of [...document.fromClient, ...document.fromServer]) {
      expect(examples.length, key).toBeGreaterThan(0);
      for (const example of examples) {
        validate(example);
        expect(validate.errors, `${key}: ${JSON.stringify(example)}`).toBeNull();
      }
    }
    for (const example of document.fromClient.flatMap(({ examples }) => examples)) {
      expect(parseClientFrame(JSON.stringify(example)), JSON.stringify(example)).toMatchObject({ ok: true });
    }
  });
});

const name = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
  fc.constantFrom("x".repeat(255), "é".repeat(127), "😀".repeat(63), "\u0000", " ", "__proto__"),
);
const ref = fc.oneof(
  fc.string({ maxLength: 64 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom("", "😀".repeat(32), 0, -1),
);
const connection = fc
  .tuple(
    fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
    fc.stringMatching(/^[a-z0-9]{4}$/),
    fc.integer({ min: 0, max: 16 }),
    fc.maxSafeNat(),
  )
  .map(([server, incarnation, bits, count]) => `${server}.${incarnation}${bits.toString(36)}${count.toString(36)}`);

/** Generates values of a kind, by the name of its schema if it has one, otherwise by its JSON type. */
function valuesOf({ schemaName, schema, fields = {} }: Kind<unknown>): fc.Arbitrary<unknown> {
  const { minimum, maximum } = schema as { minimum?: number; maximum?: number };
  const byName: Record<string, fc.Arbitrary<unknown>> = {
    Name: name,
    Ref: ref,
    ConnectionId: connection,
    Data: fc.jsonValue(),
    Token: fc.string({ minLength: 1 }),
    Key: fc.oneof(fc.string({ minLength: 1, maxLength: 64 }), fc.constant("😀".repeat(32))),
    boolean: fc.boolean(),
    string: fc.string(),
    number: fc.double({ noNaN: true, noDefaultInfinity: true }),
  };
  const values = byName[schemaName ?? String(schema.type)];
  if (values !== undefined) return values;
  if (schema.type === "integer") return fc.integer({ min: minimum ?? 0, max: maximum ?? Number.MAX_SAFE_INTEGER });
  if (schema.type === "object") return fc.record(Object.fromEntries(valuesByField(fields)));
  throw new Error(`The test makes no values of ${JSON.stringify(schema)}.`);
}

function valuesByField(fields: Fields): (readonly [string, fc.Arbitrary<unknown>])[] {
  return Object.entries(fields).map(([field, { kind }]) => [field, valuesOf(kind)]);
}

const requests = CLIENT_FRAMES.map(({ wireType, fields }) => {
  const described: Fields = fields;
  return fc
    .record(Object.fromEntries(valuesByField(described)), {
      requiredKeys: Object.keys(described).filter((field) => described[field]?.presence === "required"),
    })
    .map((record): Record<string, unknown> => ({ ...record, type: wireType }));
});

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 1 }),
  fc.constantFrom<unknown>(
    "",
    "\ud800",
    "a\udc00b",
    "x".repeat(256),
    "é".repeat(128),
    "😀".repeat(64),
    "x".repeat(65),
    "😀".repeat(33),
    0,
    1001,
    1.5,
    -1,
    null,
    "gw-a.k3xq8a01",
    "gw-a.k3xq8",
    "gw-a.k3xq801",
    "gw a.k3xq8a0",
    "gw-a.K3xq8a0",
    "gw-a.k3xqha0",
    "constructor",
    "send-user",
    "welcome",
  ),
  name,
  connection,
);

/** Generates valid frames with some fields removed, replaced or added. */
const changed = fc
  .tuple(
    fc.oneof(...requests),
    fc.dictionary(
      fc.constantFrom("type", "x", ...CLIENT_FRAMES.flatMap(({ fields }) => Object.keys(fields))),
      fc.option(odd, { nil: undefined }),
      { minKeys: 1, maxKeys: 3 },
    ),
  )
  .map(([frame, changes]) => ({ ...frame, ...changes }));

describe("the schemas and the code", () => {
  it("both accept whatever is built by the document's rules", () => {
    fc.assert(
      fc.property(fc.oneof(...requests), (frame) => {
        const text = JSON.stringify(frame);
        expect(accepts(document.fromClient, JSON.parse(text)), "schema").toBe(true);
        expect(parseClientFrame(text).ok, "code").toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  it("agree on every frame, also on those that break a rule", () => {
    const verdicts = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(fc.oneof({ weight: 9, arbitrary: changed }, { weight: 1, arbitrary: fc.jsonValue() }), (frame) => {
        const text = JSON.stringify(frame);
        const { ok } = parseClientFrame(text);
        expect(accepts(document.fromClient, JSON.parse(text))).toBe(ok);
        verdicts[ok ? "accepted" : "refused"]++;
      }),
      { numRuns: 3000 },
    );
    // Both outcomes must have occurred often enough.
    expect(verdicts.accepted).toBeGreaterThan(100);
    expect(verdicts.refused).toBeGreaterThan(1000);
  });
});

import { readFile } from "node:fs/promises";
import {
  type DocumentedMessage,
  type DocumentedObject,
  type ProtocolDocument,
  readPage,
  readProtocolDocument,
} from "@cm/gateway-kit/protocol-document";
import {
  CLIENT_PROTOCOL_VERSION,
  CLOSE_CODES,
  ERROR_CODES,
  MEMBERS_PAGE_DEFAULT,
  MEMBERS_PAGE_MAX,
  mayReconnect,
  NAME_MAX_BYTES,
  parseClientFrame,
  REF_MAX_LENGTH,
  SUBPROTOCOL,
} from "@cm/protocol";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";

let document: ProtocolDocument;

beforeAll(async () => {
  document = await readProtocolDocument();
});

function protocolSource(path: string): Promise<string> {
  return readFile(new URL(`../../../../packages/protocol/src/${path}`, import.meta.url), "utf8");
}

/** The fields of a TypeScript object type, as `name` or `name?`. */
function declaredFields(body: string): string[] {
  return [...body.matchAll(/readonly (\w+\??):/g)].map((match) => match[1] ?? "").sort();
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

  it("knows every frame type that the code reads, and no other", async () => {
    const types = document.fromClient.map(({ type }) => type);
    for (const type of types) {
      const result = parseClientFrame(JSON.stringify({ type }));
      expect(result.ok || result.error.code !== "operation-unknown", type).toBe(true);
    }
    const source = await protocolSource("frames/client-frame.ts");
    const declared = [...source.matchAll(/readonly type: "([a-z-]+)"/g)].map((match) => match[1]);
    // A send to a user has a type of its own once it was read; on the wire it is a send.
    const onTheWire = declared.map((type) => (type === "send-user" ? "send" : type));
    expect(types.toSorted()).toEqual(onTheWire.toSorted());
  });

  it("knows every frame that the code sends, field by field", async () => {
    const source = await protocolSource("frames/server-frame.ts");
    const union = source.slice(source.indexOf("export type ServerFrame"), source.indexOf("/**\n * How far"));
    const declared = union.split(/^ {2}\| /m).slice(1);
    const fieldsByType = Object.fromEntries(
      declared.map((body) => [/type: "([a-z-]+)"/.exec(body)?.[1], declaredFields(body)]),
    );
    expect(Object.keys(fieldsByType)).toHaveLength(8);
    expect(
      Object.fromEntries(document.fromServer.map((message) => [message.type, documentedFields(message.payload)])),
    ).toEqual(fieldsByType);
    for (const name of ["Sender", "MemberEntry", "ConnectionLimits"]) {
      const body = new RegExp(`interface ${name} \\{([^}]*)\\}`).exec(source)?.[1] ?? "";
      const schema = document.schemas[name];
      expect(schema === undefined ? [] : documentedFields(schema), name).toEqual(declaredFields(body));
    }
  });

  it("has the error codes and close codes of the code", () => {
    expect(document.errorCodes).toEqual(ERROR_CODES);
    expect(Object.fromEntries(Object.entries(document.closeCodes).map(([reason, { code }]) => [reason, code]))).toEqual(
      CLOSE_CODES,
    );
    for (const [reason, { code, reconnect }] of Object.entries(document.closeCodes)) {
      expect(reconnect, reason).toBe(mayReconnect(code));
    }
    const codePattern = new RegExp(String(document.schemas.ErrorCode?.pattern));
    for (const code of [...Object.keys(ERROR_CODES), ...Object.keys(document.refusals)]) {
      expect(code).toMatch(codePattern);
      expect(ERROR_CODES).toHaveProperty(code);
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

function request<T>(type: string, fields: { [K in keyof T]: fc.Arbitrary<T[K]> }, optional: (keyof T)[] = []) {
  const required = (Object.keys(fields) as (keyof T)[]).filter((key) => !optional.includes(key));
  return fc
    .record({ ...fields, ref } as Record<string, fc.Arbitrary<unknown>>, { requiredKeys: required as string[] })
    .map((record): Record<string, unknown> => ({ ...record, type }));
}

const requests: readonly fc.Arbitrary<Record<string, unknown>>[] = [
  request("hello", { version: fc.integer() }),
  request("join", { room: name }),
  request("leave", { room: name }),
  request("publish", { room: name, data: fc.jsonValue(), echo: fc.boolean() }, ["echo"]),
  request("send", { connection, data: fc.jsonValue() }),
  request("send", { user: name, data: fc.jsonValue() }),
  request("members", { room: name, limit: fc.integer({ min: 1, max: 1000 }), cursor: fc.string() }, [
    "limit",
    "cursor",
  ]),
  request("ping", {}),
];

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

/** A valid frame with some of its fields taken away, replaced or added. */
const changed = fc
  .tuple(
    fc.oneof(...requests),
    fc.dictionary(
      fc.constantFrom("type", "version", "room", "data", "echo", "connection", "user", "limit", "cursor", "ref", "x"),
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
    // Neither side of the comparison may run empty.
    expect(verdicts.accepted).toBeGreaterThan(100);
    expect(verdicts.refused).toBeGreaterThan(1000);
  });
});

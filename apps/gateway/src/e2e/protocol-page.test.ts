import { type ProtocolDocument, readPage, readProtocolDocument, tableRows } from "@cm/gateway-kit/protocol-document";
import {
  CLIENT_ERROR_CODES,
  CLOSE_CODES,
  decodeEnvelope,
  encodeEnvelope,
  MEMBERS_PAGE_DEFAULT,
  MEMBERS_PAGE_MAX,
  mayReconnect,
  NAME_MAX_BYTES,
  parseClientFrame,
  REF_MAX_LENGTH,
} from "@cm/protocol";
import { beforeAll, describe, expect, it } from "vitest";

/** The code blocks of a page with this info string. */
function codeBlocks(page: string, mark: string): string[] {
  return [...page.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)]
    .filter((match) => match[1] === mark)
    .map((match) => match[2] ?? "");
}

describe("docs/protocol.md", () => {
  let page: string;
  let document: ProtocolDocument;

  beforeAll(async () => {
    [page, document] = await Promise.all([readPage("protocol.md"), readProtocolDocument()]);
  });

  it("lists every client error code once, with its meaning and whether to retry", () => {
    const documented = tableRows(page).filter(
      ([code, retry]) => code !== undefined && /^[a-z-]+$/.test(code) && (retry === "yes" || retry === "no"),
    );
    const expected = Object.entries(CLIENT_ERROR_CODES).map(([code, { retryable, meaning }]) => [
      code,
      retryable ? "yes" : "no",
      meaning,
    ]);
    expect(documented.toSorted()).toEqual(expected.toSorted());
  });

  it("has every close code once, with what a client does about it", () => {
    const documented = tableRows(page)
      .filter(([code]) => /^\d{4}$/.test(code ?? ""))
      .map((row) => row.slice(0, 3));
    const expected = Object.entries(CLOSE_CODES).map(([reason, code]) => [
      String(code),
      reason,
      mayReconnect(code) ? "yes" : "no",
    ]);
    expect(documented).toEqual(expected);
    for (const code of [1001, 1006, 1011, 1012, 1013]) expect(mayReconnect(code), String(code)).toBe(true);
    expect(mayReconnect(1000)).toBe(false);
  });

  it("has the refusals of the AsyncAPI document", () => {
    const documented = tableRows(page).flatMap(([status, codes]) =>
      status === undefined || !/^[345]\d\d$/.test(status)
        ? []
        : (codes ?? "").split(", ").map((code) => [code, Number(status)]),
    );
    expect(Object.fromEntries(documented)).toEqual(document.refusals);
  });

  it("has the limits of the code", () => {
    const limits = Object.fromEntries(tableRows(page).map((row) => [row[0], row[1]]));
    expect(limits).toMatchObject({
      name: `${NAME_MAX_BYTES} bytes`,
      "ref, as a string": `${REF_MAX_LENGTH} UTF-16 code units`,
      "members on a page": `${MEMBERS_PAGE_MAX}, default ${MEMBERS_PAGE_DEFAULT}`,
    });
  });

  it("shows client frames that the code reads, of every type", () => {
    const frames = codeBlocks(page, "json client");
    for (const text of frames) {
      expect(parseClientFrame(text), text).toMatchObject({ ok: true });
      expect(
        document.fromClient.some(({ validate }) => validate(JSON.parse(text))),
        text,
      ).toBe(true);
    }
    const shown = document.fromClient.filter(({ validate }) => frames.some((text) => validate(JSON.parse(text))));
    expect(shown.map(({ key }) => key)).toEqual(document.fromClient.map(({ key }) => key));
  });

  it("shows server frames that fit their schema, of every type", () => {
    const frames = codeBlocks(page, "json server").map((text): unknown => JSON.parse(text));
    for (const frame of frames) {
      expect(
        document.fromServer.some(({ validate }) => validate(frame)),
        JSON.stringify(frame),
      ).toBe(true);
    }
    const shown = document.fromServer.filter(({ validate }) => frames.some((frame) => validate(frame)));
    expect(shown.map(({ key }) => key)).toEqual(document.fromServer.map(({ key }) => key));
  });

  it("lists in its frame tables the fields of the schemas", () => {
    for (const [heading, messages] of [
      ["Frames that a client sends", document.fromClient],
      ["Frames that a server sends", document.fromServer],
    ] as const) {
      const chapter = page.split(`\n## ${heading}\n`)[1]?.split(/\n## /)[0] ?? "";
      const sections = new Map(
        chapter
          .split(/\n### /)
          .slice(1)
          .map((text) => [text.split("\n")[0], text]),
      );
      expect([...sections.keys()].toSorted()).toEqual([...new Set(messages.map(({ type }) => type))].toSorted());
      for (const [type, text] of sections) {
        const fields = messages
          .filter((message) => message.type === type)
          .flatMap(({ payload }) => Object.keys(payload.properties));
        const rows = tableRows(text)
          .map((row) => row[0])
          .filter((field) => field !== "field");
        expect(rows.toSorted(), `${heading}: ${type}`).toEqual([...new Set(fields)].toSorted());
      }
    }
  });
});

describe("docs/bus.md", () => {
  it("shows a message that the codec reads and writes, byte for byte", async () => {
    const [hex = ""] = codeBlocks(await readPage("bus.md"), "hex");
    const bytes = Buffer.from(hex.replace(/\s/g, ""), "hex");
    const decoded = decodeEnvelope(bytes);
    if (!decoded.ok) throw decoded.error;
    expect(decoded.value).toMatchObject({
      version: 1,
      kind: "room",
      origin: "gw-a",
      epoch: 7,
      sequence: 1,
      target: "lobby",
      except: ["gw-a.k3xq8a0"],
    });
    expect(Buffer.from(decoded.value.payload).toString()).toBe('{"type":"message","room":"lobby","data":1}');
    expect(Buffer.from(encodeEnvelope(decoded.value)).equals(bytes)).toBe(true);
  });
});

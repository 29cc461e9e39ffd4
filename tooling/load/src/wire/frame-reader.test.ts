import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameReader } from "./frame-reader.js";
import { encodeClientFrame, OPCODE } from "./frame-writer.js";

/** A frame of a server, which is not masked. */
function frame(first: number, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body);
  const { length } = bytes;
  if (length < 126) return Buffer.concat([Buffer.from([first, length]), bytes]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, bytes]);
}

const WHOLE_TEXT = 0x81;

function read(chunks: readonly Buffer[]): string[] {
  const seen: string[] = [];
  const reader = new FrameReader({
    onMessage: (bytes, start, end) => seen.push(bytes.toString("utf8", start, end)),
    onPing: (payload) => seen.push(`ping ${payload}`),
    onClose: (code) => seen.push(`close ${code}`),
    onBroken: () => seen.push("broken"),
  });
  // Use one buffer for all chunks, as sockets do: the reader must not keep a reference to it.
  const shared = Buffer.alloc(200_000);
  for (const chunk of chunks) {
    chunk.copy(shared);
    reader.push(shared, chunk.length);
    shared.fill(0);
  }
  return seen;
}

test("Frames of every length come out whole, however the stream is cut", () => {
  const texts = ["", "a", "b".repeat(125), "c".repeat(126), "ü".repeat(200), "d".repeat(65_535), "e".repeat(65_536)];
  const stream = Buffer.concat(texts.map((text) => frame(WHOLE_TEXT, text)));
  expect(read([stream])).toEqual(texts);
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 20 }), (cuts) => {
      const bounds = [0, ...cuts.sort((left, right) => left - right), stream.length];
      const chunks = bounds.slice(1).map((end, index) => stream.subarray(bounds[index], end));
      expect(read(chunks)).toEqual(texts);
    }),
    { numRuns: 30 },
  );
  expect(read([...stream.subarray(0, 1_000)].map((byte) => Buffer.from([byte])))).toEqual(texts.slice(0, 5));
});

test("A message in fragments is put together, with a ping between them", () => {
  const stream = [frame(0x01, "one "), frame(0x89, "p"), frame(0x00, "two "), frame(0x80, "three"), frame(0x81, "x")];
  expect(read(stream)).toEqual(["ping p", "one two three", "x"]);
});

test("Nothing is read behind a close", () => {
  expect(read([frame(0x88, Buffer.from([0x10, 0x68])), frame(0x81, "late")])).toEqual(["close 4200"]);
  expect(read([frame(0x88, "")])).toEqual(["close 1005"]);
});

test.each([
  ["a masked frame", encodeClientFrame(OPCODE.text, "hi")],
  ["a reserved bit", frame(0xc1, "hi")],
  ["an unknown type", frame(0x83, "hi")],
  ["a continuation of nothing", frame(0x80, "hi")],
  ["a frame beyond the limit", Buffer.from([0x81, 127, 0, 0, 0, 0, 0x7f, 0, 0, 0])],
])("The stream is given up at %s", (_name, bytes) => {
  expect(read([bytes, frame(0x81, "after")])).toEqual(["broken"]);
});

/** Writes an unsigned integer of up to 6 bytes, big-endian. */
export function writeUint(bytes: Uint8Array, at: number, size: number, value: number): void {
  // Write the low and the high 24 bits separately: bitwise operators work on 32 bits, and a sequence
  // has 48.
  let rest = value % 0x1000000;
  for (let i = at + size - 1; i >= at; i--) {
    if (i === at + size - 4) rest = Math.floor(value / 0x1000000);
    bytes[i] = rest & 0xff;
    rest >>>= 8;
  }
}

/** Reads an integer that {@link writeUint} wrote. Bytes past the end of the array count as 0. */
export function readUint(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = at; i < at + size; i++) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

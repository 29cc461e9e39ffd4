import { encodeUtf8 } from "./utf8.js";

/**
 * Returns the partition of a room or user, from 0 to `partitions - 1`: FNV-1a over the UTF-8 bytes of its name. Every
 * store and every server must come to the same result; stored data depends on it.
 */
export function partitionOf(name: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit > 0x7f) return hashBytes(encodeUtf8(name)) % partitions;
    hash = Math.imul(hash ^ unit, 0x01000193);
  }
  return (hash >>> 0) % partitions;
}

function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

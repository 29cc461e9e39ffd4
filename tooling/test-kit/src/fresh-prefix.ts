import { randomBytes } from "node:crypto";

/** A key prefix that no other test uses, such as `t-9f2c51d07a3e`. */
export function freshPrefix(): string {
  return `t-${randomBytes(6).toString("hex")}`;
}

import { isCmError } from "@cm/protocol";
import { expect, it } from "vitest";
import { userOf } from "./user-query.js";

const refusalOf = (query: string): string => {
  try {
    return `admitted as ${userOf(query)}`;
  } catch (error) {
    if (isCmError(error)) return error.code;
    throw error;
  }
};

it.each([
  ["user=ann", "ann"],
  ["token=x&user=ann&z", "ann"],
  ["us%65r=ann", "ann"],
  ["user=ann+lee", "ann lee"],
  ["user=ann%2Blee", "ann+lee"],
  ["user=a=b", "a=b"],
  ["user=%E2%9C%93%26%3D", "✓&="],
  ["user=%EF%BF%BD", "\uFFFD"],
  ["user=%00", "\0"],
  ["user=", ""],
  ["user", ""],
])("reads %j as %j", (query, user) => {
  expect(userOf(query)).toBe(user);
});

it.each([
  ["", "unauthorized"],
  ["users=ann", "unauthorized"],
  ["%ff=ann", "unauthorized"],
  ["user=%ff%fe", "name-invalid"],
  ["user=%", "name-invalid"],
  ["user=%zz", "name-invalid"],
  ["user=%C0%AF", "name-invalid"],
  ["user=%ED%A0%80", "name-invalid"],
  ["user=\uFFFD", "name-invalid"],
  ["user=ann&user=ann", "name-invalid"],
  ["user=ann&us%65r=bob", "name-invalid"],
])("refuses %j with %s", (query, code) => {
  expect(refusalOf(query)).toBe(code);
});

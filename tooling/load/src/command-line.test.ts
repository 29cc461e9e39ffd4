import { isCmError } from "@cm/protocol";
import { expect, test } from "vitest";
import { parseLoadCommand } from "./command-line.js";

test("Every flag reaches its option", () => {
  const line =
    "--url ws://127.0.0.1:1/ws,ws://127.0.0.1:2/ws --rooms 2 --members 3 --publishers 1 --rate 4 --seconds 5 --warmup 6 " +
    "--bytes 70 --ramp 8 --seed 9 --user-prefix u --no-echo --no-acks --json --i-own-this-server";
  expect(parseLoadCommand(line.split(" "))).toEqual({
    help: false,
    json: true,
    load: {
      urls: ["ws://127.0.0.1:1/ws", "ws://127.0.0.1:2/ws"],
      allowRemote: true,
      rooms: 2,
      members: 3,
      publishers: 1,
      rate: 4,
      seconds: 5,
      warmupSeconds: 6,
      bytes: 70,
      ramp: 8,
      seed: 9,
      userPrefix: "u",
      echo: false,
      acks: false,
    },
  });
});

test("What is not said is left to the defaults", () => {
  expect(parseLoadCommand(["--url", "ws://[::1]/ws", "--publishers", "all"]).load).toEqual({
    urls: ["ws://[::1]/ws"],
    publishers: "all",
  });
});

test.each([[["--rate", "fast"]], [["--rate="]], [["--unknown"]], [["stray"]]])("%j is refused", (args) => {
  try {
    parseLoadCommand(args);
    expect.unreachable();
  } catch (error) {
    expect(isCmError(error) && error.code).toBe("options-invalid");
  }
});

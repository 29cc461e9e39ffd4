import { expect, it } from "vitest";
import { createLogOutput } from "./log-output.js";

const failure = (code: string) => Object.assign(new Error(code), { code });

/** An output whose behavior the test sets, and the text that was written to it. */
function harness() {
  let text = "";
  let mood: number | string = Number.POSITIVE_INFINITY;
  const told: number[] = [];
  const output = createLogOutput(
    (bytes) => {
      if (typeof mood === "string") throw failure(mood);
      const part = bytes.subarray(0, mood);
      text += Buffer.from(part).toString();
      if (mood < bytes.length) mood = "EAGAIN";
      return part.length;
    },
    (dropped) => {
      told.push(dropped);
      output.write(`dropped ${dropped}\n`);
    },
  );
  return {
    output,
    told,
    text: () => text,
    /** Sets how many bytes the output accepts, or the code of the error that it throws. */
    become: (next: number | string) => {
      mood = next;
    },
  };
}

it("keeps lines for a pipe that is full, in order and whole", async () => {
  const { output, text, become } = harness();
  become(3);
  output.write("first\n");
  output.write("second\n");
  expect(text()).toBe("fir");
  become(Number.POSITIVE_INFINITY);
  await output.flush(5_000);
  expect([text(), output.dropped]).toEqual(["first\nsecond\n", 0]);
});

it("keeps 1 MiB at most, then drops, counts and reports", async () => {
  const { output, text, told, become } = harness();
  become("EAGAIN");
  const line = `${"x".repeat(1_023)}\n`;
  for (let i = 0; i < 1_030; i++) output.write(line);
  expect(output.dropped).toBe(6);
  become(Number.POSITIVE_INFINITY);
  await output.flush(5_000);
  expect(text()).toBe(`${line.repeat(1_024)}dropped 6\n`);
  expect([told, output.dropped]).toEqual([[6], 6]);
});

it.each(["ENOSPC", "EPIPE", "EIO"])("drops lines at once if the output fails with %s, and reports it once", (code) => {
  const { output, text, told, become } = harness();
  become(code);
  for (let i = 0; i < 3; i++) output.write("lost\n");
  expect([output.dropped, told, text()]).toEqual([3, [], ""]);
  become(Number.POSITIVE_INFINITY);
  output.write("works\n");
  expect([output.dropped, told, text()]).toEqual([3, [3], "works\ndropped 3\n"]);
});

it("begins a line of its own after one that was cut off", () => {
  const { output, text, become } = harness();
  become(3);
  output.write("first\n");
  become("ENOSPC");
  output.flushNow();
  become(Number.POSITIVE_INFINITY);
  output.write("second\n");
  expect([text(), output.dropped]).toEqual(["fir\nsecond\ndropped 1\n", 1]);
});

it("waits for a reader no longer than the given time", async () => {
  const { output, become } = harness();
  become("EAGAIN");
  output.write("line\n");
  const start = performance.now();
  await output.flush(60);
  expect(performance.now() - start).toBeLessThan(1_000);
});

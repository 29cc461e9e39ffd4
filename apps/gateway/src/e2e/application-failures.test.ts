import { CLIENT_ERROR_CODES, CmError } from "@cm/protocol";
import { eventually } from "@cm/test-kit";
import { describe, expect, it, onTestFinished } from "vitest";
import { connect, serve } from "./embedded-gateway.fixture.js";

describe("a failure of the application's", () => {
  it("is logged with its hook or route and what was thrown, and shares its line with equal ones alone", async () => {
    const token = "s3cr3t";
    const { port, logged, errors } = await serve({
      authenticate: ({ query }) => {
        if (query === "eve") throw new RangeError("no such session");
        return { userId: query };
      },
      onJoin: (_, { room }) => {
        // Like an error of an HTTP client, this one contains the request with its token.
        throw Object.assign(new Error(`down: ${room}${"!".repeat(9_000)}`), { config: { headers: { token } } });
      },
      routes: {
        "/report": () => Promise.reject(new TypeError("no such report")),
        "POST /report": () => undefined as never,
      },
    });
    const ann = await connect(port, "ann");
    await ann.hello();
    for (const room of ["a", "b", "b"]) await ann.ask({ type: "join", room });
    const report = `http://127.0.0.1:${port}/report`;
    expect((await fetch(report)).status).toBe(500);
    expect((await fetch(report, { method: "POST", body: "x" })).status).toBe(500);
    await expect(connect(port, "eve")).rejects.toThrow("500");
    const place = String.raw`application-failures\.test\.ts:\d+:\d+\)+`;
    const thrown = (text: string) => expect.stringMatching(new RegExp(`^caused by ${text}.*${place}$`, "s"));
    expect(errors).toEqual([
      { hook: "onJoin", code: "internal", stage: "request", causes: thrown("Error: down: a!") },
      { hook: "onJoin", code: "internal", stage: "request", causes: thrown("Error: down: b!") },
      { route: "GET /report", code: "internal", stage: "handler", causes: thrown("TypeError: no such report") },
      { route: "POST /report", code: "internal", stage: "handler", causes: expect.stringContaining("a status") },
      { hook: "authenticate", code: "internal", stage: "handler", causes: thrown("RangeError: no such session") },
    ]);
    expect(logged[2]).toBe("a route failed: internal");
    expect(Math.max(...errors.map(({ causes }) => String(causes).length))).toBeLessThan(1_500);
  });

  it("of refresh is logged once with its cause, and hidden from the client", async () => {
    const { gateway, port, logged, errors } = await serve({
      refresh: () => {
        const cause = new CmError("unavailable", "The key set is larger than 1 bytes.");
        throw new CmError("unavailable", "The keys at https://keys.internal can't be fetched.", { cause });
      },
    });
    const ann = await connect(port, "ann");
    await ann.hello();
    const { meaning: message } = CLIENT_ERROR_CODES.unavailable;
    expect(await ann.ask({ type: "refresh", token: "a" })).toMatchObject({ code: "unavailable", message });
    // If the error were reported twice, the close would log a summary of it.
    await gateway.close();
    expect(logged).toEqual(["a request failed: unavailable"]);
    expect(errors).toMatchObject([{ causes: expect.stringContaining("larger than 1 bytes") }]);
  });

  it("of slowReaderPolicy is logged with its name, and the room closes its slow readers", async () => {
    const { port, errors } = await serve({
      slowReaderPolicy: (room) => {
        if (room === "a") throw new SyntaxError("no such room");
        return "keep" as "drop";
      },
    });
    const ann = await connect(port, "ann");
    await ann.hello();
    for (const room of ["a", "b"]) expect(await ann.ask({ type: "join", room })).toMatchObject({ type: "ack" });
    expect(errors).toEqual(
      [/^caused by SyntaxError: no such room/, /^$/].map((causes) => ({
        hook: "slowReaderPolicy",
        code: "internal",
        stage: "handler",
        causes: expect.stringMatching(causes),
      })),
    );
  });

  it("is a process warning with the cause, if there is no logger", async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error) => void warnings.push(warning);
    process.on("warning", hear);
    onTestFinished(() => void process.off("warning", hear));
    const { port } = await serve({ logger: undefined, onMembers: () => Promise.reject(new Error("no database")) });
    const ann = await connect(port, "ann");
    await ann.hello();
    await ann.ask({ type: "members", room: "hall" });
    await eventually(() =>
      expect(warnings).toContainEqual(
        expect.objectContaining({
          message: "request: The hook onMembers failed. [internal]",
          detail: expect.stringMatching(/^caused by Error: no database \(at .*application-failures\.test\.ts/),
        }),
      ),
    );
  });

  it("is a 503 if a route never answers, and if too many requests wait for theirs", async () => {
    const never = () => new Promise<never>(() => undefined);
    const late = await serve({ routes: { "POST /never": never }, hookTimeoutMs: 50 });
    const { port, errors } = await serve({
      routes: { "/now": () => ({ status: 200 }), "/never": never },
      maxPendingHooks: 1,
      hookTimeoutMs: 600_000,
    });
    const answers = [await fetch(`http://127.0.0.1:${late.port}/never`, { method: "POST", body: "x" })];
    expect(late.errors).toMatchObject([{ route: "POST /never", code: "timeout" }]);
    const waiting = new AbortController();
    const first = fetch(`http://127.0.0.1:${port}/never`, { signal: waiting.signal }).catch(() => undefined);
    answers.push(
      await eventually(async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/now`);
        expect(answer.status).toBe(503);
        return answer;
      }),
    );
    for (const answer of answers) expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(await Promise.all(answers.map((answer) => answer.json()))).toMatchObject([
      { code: "timeout", status: 503 },
      { code: "unavailable", status: 503 },
    ]);
    expect(errors).toEqual([]);
    waiting.abort();
    await first;
  });
});

import { describe, expect, it } from "vitest";
import { received, type StartClient, startClient, startServer, type TestedPair } from "./client-harness.js";
import { answerAll, type Script, type ScriptedConnection } from "./scripted-server.js";

interface Position {
  readonly epoch: number;
  readonly offset: number;
}

/** Answers the first join with the first of `answers`, and so on; all further joins get the last one. */
function answerJoins(...answers: readonly object[]): Script {
  let next = 0;
  return (connection, frame) => {
    if (frame.type !== "join") return answerAll(connection, frame);
    connection.send({ type: "ack", ref: frame.ref, ...answers[Math.min(next++, answers.length - 1)] });
  };
}

function message({ epoch, offset }: Position): object {
  return { type: "message", room: "lobby", epoch, offset, data: offset };
}

/** Ends a connection, and resolves with the next one and the `since` of its join. */
async function afterReturn(
  { server }: TestedPair,
  connection: ScriptedConnection,
): Promise<{ readonly connection: ScriptedConnection; readonly since: unknown }> {
  connection.end(4201);
  const next = await server.connection(server.connections.indexOf(connection) + 1);
  const [join] = await next.until("join");
  return { connection: next, since: join?.since };
}

/** Tests of recoverable rooms: the position with which a client asks for what it missed. */
export function describeResume(start: StartClient): void {
  describe("resuming a recoverable room", () => {
    const begin = async (script: Script) => {
      const server = await startServer();
      server.script = script;
      const pair = await startClient(start, server);
      const connection = await server.connection(0);
      const [join] = await connection.until("join");
      expect(join?.since).toBeUndefined();
      return { pair, connection };
    };

    it("asks for what came after the latest message", async () => {
      const { pair, connection } = await begin(answerJoins({ epoch: 7, offset: 3 }));
      for (const offset of [4, 5]) connection.send(message({ epoch: 7, offset }));
      await received(pair, 2);
      expect((await afterReturn(pair, connection)).since).toEqual({ epoch: 7, offset: 5 });
    });

    it("asks for what came after messages that arrive together with the answer", async () => {
      const { pair, connection } = await begin((connection, frame) => {
        answerJoins({ epoch: 7, offset: 3 })(connection, frame);
        if (frame.type === "join") for (const offset of [4, 5]) connection.send(message({ epoch: 7, offset }));
      });
      await received(pair, 2);
      expect((await afterReturn(pair, connection)).since).toEqual({ epoch: 7, offset: 5 });
    });

    it("asks for what came after its join where no message has come", async () => {
      const { pair, connection } = await begin(answerJoins({ epoch: 7, offset: 3 }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await afterReturn(pair, connection)).since).toEqual({ epoch: 7, offset: 3 });
    });

    it("does not count missed messages before it has them", async () => {
      const recovering = { epoch: 7, offset: 9, recovered: true };
      const { pair, connection } = await begin(answerJoins({ epoch: 7, offset: 3 }, recovering));
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { connection: second } = await afterReturn(pair, connection);
      // The answer says that messages up to offset 9 follow. None of them arrives on this connection, and two on
      // the next.
      await new Promise((resolve) => setTimeout(resolve, 50));
      const { connection: third, since } = await afterReturn(pair, second);
      expect(since).toEqual({ epoch: 7, offset: 3 });
      for (const offset of [4, 5]) third.send(message({ epoch: 7, offset }));
      expect(await received(pair, 2)).toEqual([4, 5]);
      expect((await afterReturn(pair, third)).since).toEqual({ epoch: 7, offset: 5 });
    });

    it("goes on from the room's position where the missed messages do not follow", async () => {
      const { pair, connection } = await begin(
        answerJoins({ epoch: 7, offset: 3 }, { epoch: 8, offset: 1, recovered: false }),
      );
      connection.send(message({ epoch: 7, offset: 4 }));
      await received(pair, 1);
      const { connection: second, since } = await afterReturn(pair, connection);
      expect(since).toEqual({ epoch: 7, offset: 4 });
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await afterReturn(pair, second)).since).toEqual({ epoch: 8, offset: 1 });
    });

    it("follows a history that begins anew, whose offsets are smaller", async () => {
      const { pair, connection } = await begin(answerJoins({ epoch: 7, offset: 300 }));
      connection.send(message({ epoch: 9, offset: 1 }));
      expect(await received(pair, 1)).toEqual([1]);
      expect((await afterReturn(pair, connection)).since).toEqual({ epoch: 9, offset: 1 });
    });

    it("keeps its position over a gap", async () => {
      const { pair, connection } = await begin(answerJoins({ epoch: 7, offset: 3 }));
      connection.send(message({ epoch: 7, offset: 4 }));
      connection.send({ type: "gap", room: "lobby", missed: 10 });
      await received(pair, 1);
      expect((await afterReturn(pair, connection)).since).toEqual({ epoch: 7, offset: 4 });
    });

    it("asks for nothing in a room that is not recoverable", async () => {
      const { pair, connection } = await begin(answerAll);
      connection.send({ type: "message", room: "lobby", data: 1 });
      await received(pair, 1);
      expect((await afterReturn(pair, connection)).since).toBeUndefined();
    });
  });
}

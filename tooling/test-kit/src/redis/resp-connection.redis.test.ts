import { expect, inject, it, onTestFinished } from "vitest";
import { freshPrefix, RespConnection } from "../index.js";

async function open(): Promise<RespConnection> {
  const connection = await RespConnection.open(Number(new URL(inject("redisUrl")).port));
  onTestFinished(() => connection.close());
  return connection;
}

it("rejects a command on a closed connection", async () => {
  const connection = await open();
  await expect(connection.command("QUIT")).resolves.toBe("OK");
  // Redis closes the connection after its reply, which also rejects a command that was sent before.
  await expect(connection.command("PING")).rejects.toThrow();
  await expect(connection.command("PING")).rejects.toThrow("The connection to Redis was closed.");
});

it("rejects an array that contains an error, and reads the next reply from its beginning", async () => {
  const connection = await open();
  const key = `${freshPrefix()}:text`;
  for (const command of [["MULTI"], ["SET", key, "text", "PX", 1_000], ["INCR", key], ["GET", key]]) {
    await connection.command(...command);
  }
  const [executed, next] = await Promise.allSettled([connection.command("EXEC"), connection.command("PING")]);
  expect(executed).toMatchObject({ reason: { message: expect.stringContaining("not an integer") } });
  expect(next).toMatchObject({ value: "PONG" });
});

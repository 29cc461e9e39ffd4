import { eventually, type RedisServer, RespConnection } from "@cm/test-kit";

/** Matches a line of `MONITOR` about a command that a script executed. */
const BY_A_SCRIPT = /^\d+\.\d+ \[\d+ lua\]/;

/** Counts the commands that clients send to Redis while `work` runs, without `PING`. */
export async function countCommands(redis: RedisServer, work: () => Promise<unknown>): Promise<number> {
  const monitor = await RespConnection.open(redis.port);
  const asker = await RespConnection.open(redis.port);
  let commands = 0;
  let seenEnd = false;
  monitor.onUnasked((line) => {
    const text = String(line);
    if (text.includes(END)) seenEnd = true;
    else if (!seenEnd && !BY_A_SCRIPT.test(text) && !/"ping"$/i.test(text)) commands++;
  });
  try {
    await monitor.command("MONITOR");
    await work();
    await asker.command("ECHO", END);
    await eventually(() => {
      if (!seenEnd) throw new Error("The monitor has not come to the end.");
    });
    return commands;
  } finally {
    monitor.close();
    asker.close();
  }
}

const END = "cm:bench:end";

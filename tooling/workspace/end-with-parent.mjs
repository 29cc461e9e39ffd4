/**
 * Loaded before a program that runs in front: when the process that started it is
 * gone without a word (kill -9), the channel between them closes, and the program
 * is asked to end as a signal would ask it.
 */
process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
// A program that has nothing left to do must still be able to end.
process.channel?.unref();
// What the program forks would inherit this module, and with it an end that is none of its own.
process.execArgv.splice(process.execArgv.indexOf("--import"), 2);

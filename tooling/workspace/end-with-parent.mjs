/**
 * Preloaded into a program that runs in the foreground: if the process that started it is killed (kill -9),
 * the channel between them closes, and the program gets a SIGTERM.
 */
process.on("disconnect", () => process.kill(process.pid, "SIGTERM"));
// Let the program end when it has nothing left to do.
process.channel?.unref();
// Programs that this program forks must not inherit this module, because it would end them too.
process.execArgv.splice(process.execArgv.indexOf("--import"), 2);

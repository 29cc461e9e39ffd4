import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { cleanEnvironment, runAsProgram } from "./child-commands.mjs";
import { freePort } from "./free-port.mjs";
import { ROOT, SetupError } from "./workspace.mjs";

/**
 * Time within which the gateway must respond, in milliseconds. In a fresh clone it includes the installation and
 * the build.
 */
const START_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 200;

/** Environment variables that would configure the gateway differently from that of a new user. */
const GATEWAY_SETTINGS =
  /^(PORT|LISTEN_HOST|SERVER_(HOST|ID)|REDIS_\w+|WORKERS|TRANSPORT|ADMIN_\w+|RECOVERABLE_ROOMS|CM_WORKER|ALLOWED_ORIGINS|TOKEN_\w+|OPEN|PAGE|LOG_\w+|MAX_\w+|\w+_(MS|SECONDS))$/;

/** Follows the first steps of the README, checks that the gateway responds, and stops it as an operator would. */
await runAsProgram(import.meta.url, async () => {
  const port = await freePort();
  const env = Object.fromEntries(Object.entries(cleanEnvironment()).filter(([name]) => !GATEWAY_SETTINGS.test(name)));
  const npm = spawn("npm", ["start"], {
    cwd: ROOT,
    env: { ...env, PORT: String(port) },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = once(npm, "exit").then(([code, signal]) => ({ code, signal }));
  try {
    const startedAt = performance.now();
    for (const path of ["/healthz", "/readyz", "/"]) {
      const { status, type, bytes } = await answer(`http://127.0.0.1:${port}${path}`, ended, startedAt);
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(`GET ${path}: ${status}, ${type}, ${bytes} bytes, ${seconds} s after npm start`);
    }
    const askedAt = performance.now();
    npm.kill("SIGTERM");
    const { code, signal } = await within(STOP_TIMEOUT_MS, ended, "npm did not end after SIGTERM");
    console.log(`SIGTERM: npm ended with ${code ?? signal} after ${Math.round(performance.now() - askedAt)} ms`);
    if (code !== 0) throw new SetupError(`npm should have ended with 0, and ended with ${code ?? signal}.`);
    await requireFree(port);
    console.log(`port ${port} is free again`);
  } finally {
    // The processes that npm started end when their parent is gone.
    if (npm.exitCode === null && npm.signalCode === null) npm.kill("SIGKILL");
  }
});

/** Resolves with the first response with status 200. Rejects after the timeout, or if npm has ended. */
async function answer(url, ended, startedAt) {
  let last = "nothing";
  const over = ended.then(({ code, signal }) => {
    throw new SetupError(`npm start ended with ${code ?? signal} before ${url} answered.`);
  });
  // Avoid an unhandled rejection: this also rejects later, when the program has asked npm to end.
  over.catch(() => undefined);
  while (performance.now() - startedAt < START_TIMEOUT_MS) {
    try {
      const response = await Promise.race([fetch(url, { signal: AbortSignal.timeout(5_000) }), over]);
      const body = await response.arrayBuffer();
      last = `status ${response.status}`;
      if (response.status === 200) {
        return { status: 200, type: response.headers.get("content-type"), bytes: body.byteLength };
      }
    } catch (error) {
      if (error instanceof SetupError) throw error;
      last = String(error.cause ?? error);
    }
    await sleep(POLL_MS);
  }
  throw new SetupError(`${url} did not answer with 200 within ${START_TIMEOUT_MS / 1000} s: ${last}.`);
}

async function within(ms, promise, what) {
  const timeout = new AbortController();
  const late = sleep(ms, undefined, { signal: timeout.signal }).then(() => {
    throw new SetupError(`${what} within ${ms / 1000} s.`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    late.catch(() => undefined);
    timeout.abort();
  }
}

async function requireFree(port) {
  const probe = createServer().listen({ port, host: "127.0.0.1", exclusive: true });
  try {
    await once(probe, "listening");
  } catch (error) {
    throw new SetupError(`Port ${port} is still held: ${error.code}.`);
  }
  probe.close();
}

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The maximum number of open files of the processes that are started here. */
const FEW_FILES = 700;

/** A transport to run with few open files. */
export interface FewFilesOptions {
  /** URL of the module that exports the factory. */
  readonly module: string;
  /** Name of the factory of the server, such as `createWsServer`. */
  readonly factory: string;
  /** The option `maxConnections` of the server. */
  readonly maxConnections: number;
}

/** A transport to run until its process has no files left, and what to do then. */
export interface ExhaustionOptions extends FewFilesOptions {
  /**
   * Source text that runs once all files are open, before the server has noticed. It may take a file from `files`, and
   * add clients to `clients`, which are destroyed at the end.
   */
  readonly whenExhausted?: string;
  /** Source text that runs while the server accepts no connections. It may set members of `outcome`. */
  readonly whilePaused: string;
}

/** What a server reported to `onError`. */
export interface ReportedError {
  readonly code: string;
  readonly stage: string;
  readonly message: string;
  readonly details: unknown;
}

/** Resolves with the errors that a server reports at its start in a process that may open 700 files. */
export async function startupErrorsWithFewFiles(options: FewFilesOptions): Promise<readonly ReportedError[]> {
  const { errors } = await runWithFewFiles(`${startServer(options)} await server.close(); print({ errors });`);
  return errors as readonly ReportedError[];
}

/**
 * Starts a server in a process that may open 700 files, opens all of them until the server accepts no
 * connections, and releases them until a client connects. Resolves with the codes and stages of the errors that the
 * server reported, how often it paused, and the `outcome` of `whilePaused`.
 */
export function outcomeOfFileExhaustion(options: ExhaustionOptions): Promise<Readonly<Record<string, unknown>>> {
  return runWithFewFiles(`
    import { once } from "node:events";
    import { closeSync, openSync } from "node:fs";
    import { connect } from "node:net";
    import { setTimeout as sleep } from "node:timers/promises";
    ${startServer(options)}
    const outcome = {};
    const clients = [];
    const files = [];
    try { for (;;) files.push(openSync("/dev/null")); } catch {}
    ${options.whenExhausted ?? ""}
    while (server.stats().acceptPauses === 0) await sleep(10);
    ${options.whilePaused}
    for (const file of files) closeSync(file);
    let isOpen = false;
    while (!isOpen) {
      const client = connect(port, "127.0.0.1").on("error", nothing);
      isOpen = await once(client, "connect").then(() => true, () => false);
      client.destroy();
      await sleep(20);
    }
    for (const client of clients) client.destroy();
    await server.close();
    const reported = errors.map(({ code, stage }) => code + " " + stage);
    print({ errors: reported, pauses: server.stats().acceptPauses, ...outcome });
  `);
}

/** The source text that starts a server, and collects its errors in `errors`. */
function startServer({ module, factory, maxConnections }: FewFilesOptions): string {
  return `
    const { ${factory}: create } = await import(${JSON.stringify(module)});
    const nothing = () => undefined;
    const print = (value) => console.log(JSON.stringify(value));
    const errors = [];
    const server = create({
      port: 0, subprotocols: ["x"], authenticate: nothing, nextConnectionId: nothing,
      handler: { open: nothing, frame: nothing, binary: nothing, closed: nothing },
      maxConnections: ${maxConnections},
      onError: ({ code, message, details }, { stage }) => errors.push({ code, message, details, stage }),
    });
    const { port } = await server.start();
  `;
}

/** Runs a module in a process that may open {@link FEW_FILES} files. Resolves with its output, parsed as JSON. */
async function runWithFewFiles(module: string): Promise<Readonly<Record<string, unknown>>> {
  const script = `ulimit -n ${FEW_FILES} && exec "$0" --input-type=module --eval "$1"`;
  const { stdout } = await run("sh", ["-c", script, process.execPath, module]);
  return JSON.parse(stdout);
}

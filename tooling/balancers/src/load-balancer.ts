import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, startManagedProcess } from "@cm/test-kit";
import { onTestFinished } from "vitest";

const DEPLOY = fileURLToPath(new URL("../../../deploy/", import.meta.url));

export type BalancerName = "haproxy" | "nginx";

/** A gateway as configured in a balancer. */
export interface Backend {
  readonly port: number;
  readonly adminPort: number;
}

/** The ports in the configurations, in the order of the gateways. */
const BACKENDS: readonly Backend[] = [
  { port: 3001, adminPort: 9101 },
  { port: 3002, adminPort: 9102 },
];

/**
 * Starts a balancer with its configuration from deploy/, in which only ports are replaced. Resolves with the
 * port that the balancer listens on.
 */
export async function startBalancer(name: BalancerName, backends: readonly Backend[]): Promise<number> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), `cm-${name}-`));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = name === "haproxy" ? "haproxy.cfg" : "nginx.conf";
  let config = replacePort(await readFile(join(DEPLOY, file), "utf8"), 8080, port);
  for (const [index, known] of BACKENDS.entries()) {
    const backend = backends[index];
    if (backend === undefined) throw new Error(`The configuration has ${BACKENDS.length} gateways.`);
    config = replacePort(config, known.port, backend.port);
    if (name === "haproxy") config = replacePort(config, known.adminPort, backend.adminPort);
  }
  const path = join(folder, file);
  await writeFile(path, name === "haproxy" ? config : asWholeNginx(config, folder));
  const args = name === "haproxy" ? ["-db", "-f", path] : ["-p", folder, "-e", join(folder, "error.log"), "-c", path];
  const balancer = startManagedProcess({ command: name, args });
  onTestFinished(async () => {
    await balancer.kill();
  });
  return port;
}

function replacePort(config: string, from: number, to: number): string {
  const pattern = new RegExp(`\\b${from}\\b`, "g");
  if (!pattern.test(config)) throw new Error(`The configuration has no port ${from}.`);
  return config.replace(pattern, String(to));
}

/** Completes the configuration, which is only the content of an http block, so that nginx runs in the foreground. */
function asWholeNginx(config: string, folder: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `${kind}_temp_path ${join(folder, kind)};`)
    .join("\n");
  return `daemon off;\nmaster_process off;\npid ${join(folder, "pid")};\nevents {}\nhttp {\naccess_log off;\n${temporary}\n${config}\n}\n`;
}

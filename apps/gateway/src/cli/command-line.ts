import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { isCmError } from "@cm/protocol";
import { EXIT } from "../exit-codes.js";
import { print, printError } from "../terminal-output.js";
import { runTokenCommand, TOKEN_OPTIONS } from "./token-command.js";

const helpOn = (variables: readonly string[]): string => `Usage:
  cm-gateway                        run a gateway, configured by environment variables
  cm-gateway token --user NAME      print a development token, signed with TOKEN_SECRET
      --join, --publish, --members, --send, --presence PATTERN
                                    the user's rights; each option can be repeated
      --ttl SECONDS                 lifetime of the token (default 3600)
      --id ID                       id of the token, for revocation
  cm-gateway token --check TOKEN    verify a token with the configured key, and print its contents
  cm-gateway --help | --version

Variables, also read from .env.local in the working directory:
${wrapped(variables)}

Exit codes: 0 closed on request, 1 failure, 64 unknown arguments, 78 invalid configuration.`;

/**
 * Runs the command that the arguments name. Resolves with the command's exit code, or with `undefined` if the
 * arguments ask to run a gateway.
 */
export async function runCommandLine(args: readonly string[]): Promise<number | undefined> {
  if (args.length === 0) return undefined;
  try {
    if (args[0] === "token") {
      const { values } = parseArgs({ args: args.slice(1), options: TOKEN_OPTIONS });
      return await runTokenCommand(values, process.env);
    }
    const options = { help: { type: "boolean", short: "h" }, version: { type: "boolean", short: "v" } } as const;
    const { values } = parseArgs({ args: [...args], options });
    print(1, values.help === true ? await help() : version());
    return EXIT.ok;
  } catch (error) {
    if (isCmError(error)) {
      printError(error);
      return error.code === "options-invalid" ? EXIT.usage : EXIT.config;
    }
    // Print only the first sentence: the argument parser of Node.js names the bad argument in it, and the rest
    // of the message is about the parser's API.
    const { code, message } = Object(error) as { readonly code?: unknown; readonly message?: string };
    if (!String(code).startsWith("ERR_PARSE_ARGS_")) throw error;
    printError(`${message?.split(". ")[0]?.replace(/\.$/, "")}. See cm-gateway --help.`);
    return EXIT.usage;
  }
}

async function help(): Promise<string> {
  // Import the reader only to show the help, because it loads the client for Redis.
  const { gatewayVariables } = await import("../config/config-reader.js");
  return helpOn(gatewayVariables().toSorted());
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version; // The file is this package's, which has a version.
}

function wrapped(names: readonly string[]): string {
  const lines = [""];
  for (const name of names) {
    const line = `${lines.at(-1)} ${name}`;
    if (line.length <= 98) lines[lines.length - 1] = line;
    else lines.push(` ${name}`);
  }
  return lines.map((line) => ` ${line}`).join("\n");
}

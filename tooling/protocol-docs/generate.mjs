// Generates parts of docs/protocol.md (tables) and docs/asyncapi.yaml (messages, operations, schemas, error
// codes) from the frames' descriptions in @cm/protocol. The parts are between lines with "generated: <part>"
// and "generated: end". The examples of the YAML file are those of the page. Needs the built package.
//
//   node generate.mjs [<docs folder>]            writes the documents
//   node generate.mjs --check [<docs folder>]    writes nothing; fails if a document is not up to date

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLIENT_ERROR_CODES, CLIENT_FRAMES, SERVER_FRAMES } from "../../packages/protocol/dist/index.js";
import { asyncapiParts } from "./asyncapi.mjs";
import { replaceParts } from "./generated-parts.mjs";
import { examplesOf, pageParts } from "./protocol-page.mjs";
import { toYaml } from "./yaml.mjs";

const folder = process.argv.slice(2).find((argument) => argument !== "--check");
const docs = folder ?? fileURLToPath(new URL("../../docs", import.meta.url));
const pageFile = join(docs, "protocol.md");
const asyncapiFile = join(docs, "asyncapi.yaml");

const frames = { clientFrames: CLIENT_FRAMES, serverFrames: SERVER_FRAMES, errorCodes: CLIENT_ERROR_CODES };
const [page, asyncapi] = await Promise.all([readFile(pageFile, "utf8"), readFile(asyncapiFile, "utf8")]);

const parts = asyncapiParts({
  ...frames,
  clientExamples: ({ wireType, chosenBy }) =>
    examplesOf(page, "json client", wireType).filter((frame) => chosenBy === undefined || chosenBy in frame),
  serverExamples: ({ type }) => examplesOf(page, "json server", type),
});
const documents = [
  [pageFile, page, replaceParts(page, (part) => `\n${part}\n`, pageParts(frames))],
  [asyncapiFile, asyncapi, replaceParts(asyncapi, (part, indent) => toYaml(part, indent), parts)],
];

for (const [file, present, text] of documents) {
  if (present === text) continue;
  if (process.argv.includes("--check")) {
    console.error(`${file} is not what the frames say. Run \`npm run codegen\` and commit the result.`);
    process.exitCode = 1;
  } else await writeFile(file, text);
}

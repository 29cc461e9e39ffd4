import { fileURLToPath } from "node:url";
import { checkWorkspace } from "./dependency-rule.js";
import { readWorkspace } from "./workspace-package.js";

const packages = readWorkspace(fileURLToPath(new URL("../../../", import.meta.url)));
const files = packages.flatMap((pkg) => pkg.files);
const imports = files.flatMap((file) => file.imports);
const violations = checkWorkspace(packages);

for (const { where, message } of violations) console.error(`${where}: ${message}`);
// Print the counts, and fail without imports, because a check that read no file would find no violations either.
console.log(
  `${packages.length} packages, ${files.length} files, ${imports.length} imports, ${violations.length} violations`,
);
process.exitCode = violations.length === 0 && imports.length > 0 ? 0 : 1;

import { pnpmCommand, runAsProgram, runCommand } from "./command.mjs";

/** The pinned pnpm, for those who have none: `npm run pnpm -- add <package>`. */
await runAsProgram(import.meta.url, async (args) => {
  const { code } = await runCommand(...pnpmCommand(args), { show: true });
  process.exit(code);
});

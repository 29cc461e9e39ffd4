import { pnpmCommand, runAsProgram, runCommand } from "./child-commands.mjs";

/** Runs the pinned pnpm for users who have none installed: `npm run pnpm -- add <package>`. */
await runAsProgram(import.meta.url, async (args) => {
  const { code } = await runCommand(...pnpmCommand(args), { show: true });
  process.exit(code);
});

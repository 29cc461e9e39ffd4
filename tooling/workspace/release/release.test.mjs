import { expect, it } from "vitest";
import { cleanEnvironment, runCommand } from "../child-commands.mjs";
import repository from "../repository.cjs";
import { releaseNotes } from "./release-notes.mjs";

const { repositoryUrl } = repository;

it("a release names the configured repository, or that of the workflow that runs it", () => {
  const workflow = { GITHUB_SERVER_URL: "https://github.com", GITHUB_REPOSITORY: "owner/cm" };
  expect(repositoryUrl({ ...workflow, REPOSITORY_URL: "https://git.example/cm.git/" })).toBe("https://git.example/cm");
  expect(repositoryUrl(workflow)).toBe("https://github.com/owner/cm");
  expect(repositoryUrl({ REPOSITORY_URL: "" })).toBeUndefined();
  expect(() => repositoryUrl({ REPOSITORY_URL: "git@git.example:cm" })).toThrow("REPOSITORY_URL must be an https");
});

it("a release without a repository publishes nothing, and says what to set", async () => {
  const env = cleanEnvironment({ REPOSITORY_URL: "", GITHUB_REPOSITORY: "" });
  const { code, output } = await runCommand("npm", ["run", "release"], { env });
  expect(code).toBe(1);
  expect(output).toContain("Set REPOSITORY_URL to the address of the source");
});

it("the notes of a release have each entry of its version once, with its packages", () => {
  const notes = releaseNotes("0.2.0", {
    "@cm/router":
      "# @cm/router\n\n## 0.2.0\n\n### Minor Changes\n\n- Rooms are **ordered**.\n\n  Two lines.\n\n### Patch Changes\n\n- Updated dependencies\n  - @cm/protocol@0.2.0\n\n## 0.1.0\n\n### Minor Changes\n\n- Old.\n",
    "@cm/node":
      "# @cm/node\n\n## 0.2.0\n\n### Minor Changes\n\n- Rooms are **ordered**.\n\n  Two lines.\n\n- A node waits.\n",
  });
  expect(notes).toBe(
    "### Minor Changes\n\n- **@cm/node, @cm/router**: Rooms are **ordered**.\n\n  Two lines.\n\n- **@cm/node**: A node waits.\n\n",
  );
  const long = Array.from({ length: 30 }, (_, index) => `- ${index}${"x".repeat(10_000)}\n`).join("");
  const cut = releaseNotes("1.0.0", { a: `# a\n\n## 1.0.0\n\n### Major Changes\n\n${long}` });
  expect(cut.length).toBeLessThan(125_000);
  expect(cut).toMatch(/The changelogs of the packages have the rest\.\n$/);
});

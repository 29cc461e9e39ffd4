import { expect, it } from "vitest";
import { cleanEnvironment, runCommand } from "../child-commands.mjs";
import repository from "../repository.cjs";

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

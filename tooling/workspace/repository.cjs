/**
 * Returns the address of the repository that a release is made from, without a slash or `.git` at its end:
 * `REPOSITORY_URL`, or the repository of the GitHub Actions workflow. Returns `undefined` if neither is set.
 * Throws if `REPOSITORY_URL` is no https address.
 */
function repositoryUrl({ REPOSITORY_URL, GITHUB_SERVER_URL, GITHUB_REPOSITORY }) {
  if (REPOSITORY_URL !== undefined && REPOSITORY_URL !== "") {
    if (!/^https:\/\/[^\s/]+\/\S+$/.test(REPOSITORY_URL)) {
      throw new Error(`REPOSITORY_URL must be an https address such as https://git.example/cm, not ${REPOSITORY_URL}`);
    }
    return REPOSITORY_URL.replace(/(\.git)?\/*$/, "");
  }
  if (GITHUB_SERVER_URL && GITHUB_REPOSITORY) return `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`;
  return undefined;
}

module.exports = { repositoryUrl };

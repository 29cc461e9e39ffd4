const { relative } = require("node:path");
const { repositoryUrl } = require("./tooling/workspace/repository.cjs");

/**
 * Leaves out of each published manifest what only the workspace uses, and adds where its source
 * is. The address is known where a release
 * runs, and stands in no file: a fork publishes its own, and provenance requires the one that
 * really built the package.
 */
function beforePacking({ devDependencies: _, scripts: __, ...manifest }, dir) {
  const url = repositoryUrl(process.env);
  if (url === undefined) return manifest;
  const directory = relative(__dirname, dir).replaceAll("\\", "/");
  return {
    ...manifest,
    homepage: `${url}/tree/main/${directory}#readme`,
    bugs: { url: `${url}/issues` },
    repository: { type: "git", url: `git+${url}.git`, directory },
  };
}

module.exports = { hooks: { beforePacking } };

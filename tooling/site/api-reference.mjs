import { rmSync } from "node:fs";
import { join, posix } from "node:path";
import { Application, ReflectionKind } from "typedoc";
import { publishablePackages, ROOT, SetupError } from "../workspace/workspace.mjs";
import { shortName } from "./site-pages.mjs";
import { PLACES } from "./site-paths.mjs";

/** Kinds that need a doc comment; parameters and constructors are documented with the symbol they belong to. */
const DOCUMENTED = [
  "Enum",
  "EnumMember",
  "Variable",
  "Function",
  "Class",
  "Interface",
  "Property",
  "Method",
  "Accessor",
  "TypeAlias",
];

/** The modules that a package exports, each with its source file and the name of its page. */
function entriesOf({ dir, manifest }) {
  return Object.entries(manifest.exports).map(([path, { default: built }]) => {
    const name = posix.join(manifest.name, path);
    return {
      file: posix.join(dir, built.replace(/^\.\/dist\//, "src/").replace(/\.js$/, ".ts")),
      name,
      page: shortName(name).replaceAll("/", "-"),
    };
  });
}

/** typedoc's warning about a field of an unnamed object type, which is documented with the symbol that has the type. */
const OF_UNNAMED_TYPE = /\.__type\..*does not have any documentation$/;

/**
 * Writes a page for each package with every symbol that it exports, from their doc comments. Throws if a
 * symbol has no doc comment, or if a comment has a broken link. Resolves to the number of symbols.
 */
export async function writeApi() {
  const packages = publishablePackages();
  const entries = packages.flatMap(entriesOf);
  const app = await Application.bootstrapWithPlugins({
    entryPoints: entries.map(({ file }) => join(ROOT, file)),
    tsconfig: join(ROOT, "tooling", "site", "tsconfig.api.json"),
    basePath: ROOT,
    name: "cm",
    plugin: ["typedoc-plugin-markdown"],
    logLevel: "Warn",
    readme: "none",
    disableSources: true,
    excludePrivate: true,
    excludeProtected: true,
    excludeInternal: true,
    excludeExternals: true,
    // The workspace's own compiler checks all types.
    skipErrorChecking: true,
    githubPages: false,
    sort: ["kind", "alphabetical"],
    validation: { notExported: false, invalidLink: true, notDocumented: true },
    requiredToBeDocumented: DOCUMENTED,
    packagesRequiringDocumentation: packages.map(({ manifest }) => manifest.name),
    treatValidationWarningsAsErrors: true,
    // Options of the Markdown plugin.
    outputFileStrategy: "modules",
    entryFileName: "index",
    hidePageHeader: true,
    pageTitleTemplates: { module: ({ name }) => entries.find(({ page }) => page === name)?.name ?? name },
    hideBreadcrumbs: true,
    useHTMLAnchors: true,
    parametersFormat: "table",
    interfacePropertiesFormat: "table",
    classPropertiesFormat: "table",
    typeAliasPropertiesFormat: "table",
    propertyMembersFormat: "table",
    enumMembersFormat: "table",
    typeDeclarationFormat: "table",
    tableColumnSettings: { hideSources: true, hideInherited: true, hideOverrides: true, hideModifiers: true },
  });
  const { logger } = app;
  const complain = logger.validationWarning.bind(logger);
  logger.validationWarning = (message, ...place) => {
    if (!OF_UNNAMED_TYPE.test(message)) complain(message, ...place);
  };
  const project = await app.convert();
  if (project === undefined) throw new SetupError("typedoc could not read the packages.");
  for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
    // typedoc names the module after its file.
    const entry = entries.find(({ file }) => file === `${module.name}.ts` || file === `${module.name}/index.ts`);
    if (entry === undefined) throw new SetupError(`typedoc names a module ${module.name}, which is no entry.`);
    module.name = entry.page;
  }
  app.validate(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) {
    throw new SetupError(
      `Public symbols lack a doc comment, or link to nothing: ${app.logger.errorCount + app.logger.warningCount}.`,
    );
  }
  const out = join(PLACES.pages, "api");
  await app.outputs.writeOutput({ name: "markdown", path: out }, project);
  // The sidebar lists the packages, so the index page is not needed.
  rmSync(join(out, "index.md"));
  return Object.keys(project.reflections).length;
}

/** The generated scripts of the store's build, which its package keeps to itself. */
const GENERATED = new URL("../../../packages/redis-store/dist/scripts/scripts.generated.js", import.meta.url).href;

/** Returns the name of the store's script with this digest, or `undefined` if there is none. */
export async function scriptNamed(sha1: string): Promise<string | undefined> {
  // The cast is safe: tooling/lua-codegen writes the module.
  const { SCRIPTS } = (await import(GENERATED)) as { SCRIPTS: Readonly<Record<string, { readonly sha1: string }>> };
  return Object.entries(SCRIPTS).find(([, script]) => script.sha1 === sha1)?.[0];
}

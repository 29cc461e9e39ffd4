/**
 * The version of this package, which is the same for all packages of a release. The build writes it
 * into the compiled file.
 */
export const VERSION: string = "0.0.0";

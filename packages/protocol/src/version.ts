/** The version of this package, which all packages of a release share. The build writes it into the compiled file. */
export const VERSION: string = "0.0.0";

// For the packages of this repository: sets of which a server holds very many.
export { SmallSet } from "./small-set.js";

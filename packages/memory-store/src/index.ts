export { createMemoryHub } from "./memory-hub.js";
export { createMemoryStore } from "./memory-store.js";

export type { MemoryHub, MemoryHubOptions } from "./memory-hub.js";
export type { MemoryStore } from "./memory-store.js";
export type { MemoryStoreOptions } from "./options.js";

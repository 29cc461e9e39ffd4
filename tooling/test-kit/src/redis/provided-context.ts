import type {} from "vitest";

/** The values that the global setup provides to tests through vitest's `inject`. */
declare module "vitest" {
  export interface ProvidedContext {
    /** A single Redis: `redis://127.0.0.1:<port>`. */
    redisUrl: string;
    /** A Cluster of three masters: `redis+cluster://127.0.0.1:<port>,...`. */
    redisClusterUrl: string;
  }
}

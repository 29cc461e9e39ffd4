import { defineConfig } from "vitest/config";

/** Used by `npm run compose`, which starts the containers. */
export default defineConfig({
  test: {
    include: ["src/**/*.compose.ts"],
    testTimeout: 240_000,
  },
});

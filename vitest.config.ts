import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: [
      "packages/*/src/**/*.test.ts",
      "apps/*/src/**/*.test.ts",
      "tooling/*/src/**/*.test.ts",
      "tooling/*/*.test.mjs",
    ],
    globalSetup: ["@cm/test-kit/global-setup"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // The machine that this must pass on has two cores; most of the time tests wait for timers,
    // leases and sockets.
    maxWorkers: 3,
  },
});

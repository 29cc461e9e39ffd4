import { configDefaults, defineConfig } from "vitest/config";

/** What `npm run trials` runs and `npm test` leaves out: short forms of what is tried for longer on demand. */
const TRIALS = [
  "tooling/chaos/src/**/*.test.ts",
  "tooling/example-tests/src/**/*.test.ts",
  "tooling/workspace/versioning.test.mjs",
  "apps/gateway/src/e2e/churn.redis.test.ts",
];

const isTrial = process.env.TRIALS === "1";

export default defineConfig({
  test: {
    include: isTrial
      ? TRIALS
      : [
          "packages/*/src/**/*.test.ts",
          "apps/*/src/**/*.test.ts",
          "tooling/*/src/**/*.test.ts",
          "tooling/*/*.test.mjs",
        ],
    exclude: isTrial ? configDefaults.exclude : [...configDefaults.exclude, ...TRIALS],
    globalSetup: ["@cm/test-kit/global-setup"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // The machine that this must pass on has two cores; most of the time tests wait for timers,
    // leases and sockets.
    maxWorkers: 3,
  },
});

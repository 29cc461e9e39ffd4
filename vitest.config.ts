import { configDefaults, defineConfig } from "vitest/config";

/**
 * What `npm run trials` runs and `npm test` leaves out, to stay within ten minutes on two cores: short
 * forms of tests that run longer on demand, the tests of the tools themselves, tests that start
 * programs repeatedly, and faults that last long or need many servers.
 */
const TRIALS = [
  "benchmarks/src/**/*.test.ts",
  "tooling/chaos/src/**/*.test.ts",
  "tooling/example-tests/src/**/*.test.ts",
  "tooling/workspace/**/*.test.mjs",
  "tooling/rehearsal/*.test.mjs",
  "tooling/protocol-docs/*.test.mjs",
  "tooling/load/src/**/*.test.ts",
  "tooling/mutation/src/**/*.test.ts",
  "tooling/test-kit/src/redis/topologies/topologies.redis.test.ts",
  "apps/gateway/src/e2e/churn.redis.test.ts",
  "apps/gateway/src/e2e/output-streams.redis.test.ts",
  "apps/gateway/src/e2e/page-dark.browser.test.ts",
  "apps/gateway/src/e2e/startup.redis.test.ts",
  "apps/gateway/src/e2e/workers.redis.test.ts",
  "apps/gateway/src/faults/*-older.redis.test.ts",
  "apps/gateway/src/faults/cluster-failover.redis.test.ts",
  "apps/gateway/src/faults/dead-process.redis.test.ts",
  "apps/gateway/src/faults/evicting.redis.test.ts",
  "apps/gateway/src/faults/fifty-servers.redis.test.ts",
  "apps/gateway/src/faults/joins-refused.redis.test.ts",
  "apps/gateway/src/faults/killed-by-default.redis.test.ts",
  "apps/gateway/src/faults/redis-cut.redis.test.ts",
  "apps/gateway/src/faults/sentinel-failover.redis.test.ts",
  "packages/contract-tests/src/clients-bite.test.ts",
  "packages/presence/src/missing-connections.redis.test.ts",
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

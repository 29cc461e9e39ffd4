import { defineConfig } from "vitest/config";

/** By a command of its own: the balancers are not needed for anything else. */
export default defineConfig({
  test: {
    include: ["src/**/*.balancer.ts"],
    globalSetup: ["@cm/test-kit/global-setup"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import { defineConfig } from "vitest/config";

/** These tests have a command of their own, because only they need the balancers. */
export default defineConfig({
  test: {
    include: ["src/**/*.balancer.ts"],
    globalSetup: ["@cm/test-kit/global-setup"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { signDevelopmentToken } from "@cm/auth";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { type BrowserContext, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";

const SECRET = "0123456789abcdef0123456789abcdef";

const tokenWith = (join: readonly string[], ttlMs: number): Promise<string> =>
  signDevelopmentToken(SECRET, {
    userId: "ada",
    ttlMs,
    rights: { join: [...join], publish: [...join], members: ["*"] },
  });

let profile: string;
let gateway: GatewayProcess;
let browser: BrowserContext;

beforeAll(async () => {
  profile = await mkdtemp(join(tmpdir(), "cm-page-tokens-"));
  // Warn long before the expiry, so that the test has enough time.
  gateway = await startGatewayProcess({
    env: { TOKEN_SECRET: SECRET, PAGE: "true", TOKEN_WARNING_SECONDS: "3600" },
  });
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
  browser.setDefaultTimeout(15_000);
});

afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
  await rm(profile, { recursive: true, force: true });
});

it("logs a browser in with a token, takes another one, and removes it from a room that the next does not allow", async () => {
  const page = await browser.newPage();
  const log = (text: string | RegExp) => page.getByRole("log").getByRole("listitem").filter({ hasText: text });
  const handIn = async (token: string): Promise<void> => {
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Hand in" }).click();
  };
  await page.goto(`${gateway.url}/?room=hall&user=somebody`);
  await page.getByText("Token", { exact: true }).click();
  await page.getByLabel("Token").fill(await tokenWith(["hall"], 1_800_000));
  await page.getByRole("button", { name: "Connect" }).click();
  // The user name comes from the token, not from the page.
  await page.getByText("connected as ada", { exact: true }).waitFor();
  await log("You are in hall.").waitFor();
  await log("The token expires in").waitFor();
  await handIn(await tokenWith(["hall"], 7_200_000));
  // The expiry is rounded up to whole seconds, and some time passes until the token reaches the page.
  await log(/The token was taken; it expires in (71\d\d|7200|7201) s\./).waitFor();
  await page.locator("#text").fill("still here");
  await page.getByRole("button", { name: "Send" }).click();
  await log("still here").waitFor();
  await handIn(await tokenWith(["elsewhere"], 7_200_000));
  await log("You were put out of hall.").waitFor();
  expect(await page.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
  await page.getByText("connected as ada", { exact: true }).waitFor();
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { freePort, freshPrefix } from "@cm/test-kit";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A name that would do harm if it were interpreted as markup. */
const HOSTILE = `<img src=x onerror="document.title='taken'">`;

describe("the page in a browser", () => {
  const env = { REDIS_URL: inject("redisUrl"), REDIS_PREFIX: freshPrefix(), SHOW_SERVER_IDS: "true" };
  let secondEnv: Record<string, string>;
  let profile: string;
  let browser: BrowserContext;
  let first: GatewayProcess;
  let second: GatewayProcess;
  let ada: Page;
  let hostile: Page;
  /** Errors and warnings that the browser reported. */
  const complaints: string[] = [];

  async function connect(gateway: GatewayProcess, user: string): Promise<Page> {
    const page = await browser.newPage();
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`${gateway.url}/?room=hall`);
    await page.getByLabel("Your name").fill(user);
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByText(`connected as ${user}`, { exact: true }).waitFor();
    await page.getByText("You are in hall.").waitFor();
    return page;
  }

  async function openRoom(gateway: GatewayProcess, room: string, user: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${gateway.url}/?room=${room}&user=${encodeURIComponent(user)}`);
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByText("You are in").waitFor();
    return page;
  }

  /** The page's button for a member. */
  function member(page: Page, user: string) {
    return page.getByRole("region", { name: "In the room" }).getByRole("button", { name: user });
  }

  /** The log entry with this text. */
  function entry(page: Page, text: string) {
    return page.getByRole("log").getByRole("listitem").filter({ hasText: text });
  }

  async function say(page: Page, text: string): Promise<void> {
    // Chromium renders background tabs only once a second, and a click waits for a rendered frame.
    await page.bringToFront();
    await page.locator("#text").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  }

  beforeAll(async () => {
    profile = await mkdtemp(join(tmpdir(), "cm-page-"));
    // Use a fixed port, because the gateway is restarted on the same port.
    secondEnv = { ...env, SERVER_ID: "page-b", PORT: String(await freePort()) };
    // Start the gateways one after the other: if one fails, the previous ones are known, and `afterAll` stops them.
    first = await startGatewayProcess({ env: { ...env, SERVER_ID: "page-a" } });
    second = await startGatewayProcess({ env: secondEnv });
    browser = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM_PATH ?? "/usr/bin/chromium",
      headless: true,
      args: FLAGS,
    });
    browser.setDefaultTimeout(15_000);
    ada = await connect(first, "ada");
    hostile = await connect(second, HOSTILE);
  });

  afterAll(async () => {
    await browser?.close();
    await Promise.all([first?.stop(), second?.stop()]);
    await rm(profile, { recursive: true, force: true });
  });

  it("shows the room's members with their servers, on both servers", async () => {
    for (const page of [ada, hostile]) {
      await member(page, "ada").getByText("on page-a").waitFor();
      await member(page, HOSTILE).getByText("on page-b").waitFor();
    }
    await member(ada, "ada").getByText("you", { exact: true }).waitFor();
    expect(await member(ada, HOSTILE).getByText("you", { exact: true }).count()).toBe(0);
    expect(await ada.locator("#server").textContent()).toBe("page-a");
    expect(await hostile.locator("#connection").textContent()).toMatch(/^page-b\./);
  });

  it("carries messages both ways, with the sender's server", async () => {
    await say(ada, "from the first server");
    await entry(hostile, "from the first server").getByText("on page-a").waitFor();
    await entry(ada, "from the first server").waitFor();
    await say(hostile, "from the second server");
    await entry(ada, "from the second server").getByText("on page-b").waitFor();
  });

  it("leaves the sender out where that is asked", async () => {
    await ada.bringToFront();
    await ada.getByLabel("without me").check();
    await say(ada, "for the others");
    await entry(hostile, "for the others").waitFor();
    await ada.bringToFront();
    await ada.getByLabel("without me").uncheck();
    await say(ada, "for all");
    await entry(ada, "for all").waitFor();
    // All members see the same order: if the first message had been echoed, it would precede the second.
    const texts = await entry(ada, "for ").allTextContents();
    expect(texts).toEqual(["Sent to the others: for the others", expect.stringContaining("for all")]);
  });

  it("sends to one member alone", async () => {
    await ada.bringToFront();
    await member(ada, HOSTILE).click();
    await ada.getByText(`Direct to ${HOSTILE} on page-b`).waitFor();
    await say(ada, "between us");
    await entry(hostile, "between us").getByText("directly to you").waitFor();
    await entry(ada, "(sent): between us").waitFor();
    await ada.getByRole("button", { name: "Back to the room" }).click();
    await ada.getByText("To the room", { exact: true }).waitFor();
  });

  it("stays within the screen of a phone and of a desk, whatever names others take", async () => {
    const page = await browser.newPage();
    await page.goto(`${first.url}/?room=narrow`);
    await page.getByText("Try this gateway").waitFor();
    // The first name reverses the following text if it is not isolated; the second has no character at which a
    // line can break.
    const names = ["\u202Eevil", "x".repeat(255)];
    const others = [];
    for (const user of names) others.push(await openRoom(second, "narrow", user));
    await page.getByLabel("Your name").fill("w".repeat(255));
    await page.bringToFront();
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByText("You are in").waitFor();
    for (const user of names) await member(page, user).waitFor();
    // Pass the script as a string, because these sources are compiled without browser types.
    const unicodeBidi = await page.evaluate(
      "[...document.querySelectorAll('#members bdi')].map((name) => getComputedStyle(name).unicodeBidi)",
    );
    expect(unicodeBidi).toEqual(["isolate", "isolate", "isolate"]);
    for (const [width, height] of [
      [375, 667],
      [1_280, 800],
    ] as const) {
      await page.setViewportSize({ width, height });
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      const field = await page.locator("#text").boundingBox();
      expect((field?.y ?? height) + (field?.height ?? 0)).toBeLessThan(height);
    }
    for (const each of [page, ...others]) await each.close();
  });

  it("shows what others wrote as text, never as markup", async () => {
    await say(hostile, `<script>document.title='taken'</script>${HOSTILE}`);
    await entry(ada, "<script>document.title='taken'</script>").waitFor();
    expect(await entry(ada, "<script>").locator("b").textContent()).toBe(HOSTILE);
    for (const page of [ada, hostile]) {
      expect(await page.title()).toBe("cm gateway");
      expect(await page.locator("img").count()).toBe(0);
      expect(await page.locator("script").count()).toBe(1);
    }
  });

  it("shows a refusal with its code", async () => {
    await say(ada, "x".repeat(8_200));
    await entry(hostile, "x".repeat(8_200)).waitFor();
    const stranger = await browser.newPage();
    await stranger.goto(first.url);
    await stranger.getByLabel("Your name").fill("é".repeat(128));
    await stranger.getByRole("button", { name: "Connect" }).click();
    await entry(stranger, "Your name is longer than 255 bytes").waitFor();
    await stranger.close();
  });

  it("gave the browser nothing to complain about", () => {
    expect(complaints).toEqual([]);
  });

  it("says so when its server is stopped, and when others are gone with it", async () => {
    await second.stop();
    const state = hostile.getByRole("status");
    await state
      .filter({ hasText: "4201 going-away" })
      .or(state.filter({ hasText: "again in" }))
      .first()
      .waitFor();
    await entry(hostile, "lost (4201").first().waitFor();
    await entry(hostile, "lost (1006").first().waitFor();
    expect(await hostile.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);
    await member(ada, HOSTILE).waitFor({ state: "detached" });
    expect(await ada.locator("#total").textContent()).toBe("1");
  });

  it("comes back by itself when its server does", async () => {
    const connection = await hostile.locator("#connection").textContent();
    second = await startGatewayProcess({ env: secondEnv });
    await hostile.getByText(`connected as ${HOSTILE}`, { exact: true }).waitFor();
    expect(await hostile.locator("#connection").textContent()).not.toBe(connection);
    await member(ada, HOSTILE).getByText("on page-b").waitFor();
    await say(ada, "welcome back");
    await entry(hostile, "welcome back").waitFor();
  });
});

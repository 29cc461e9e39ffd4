import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GatewayProcess, startGatewayProcess } from "@cm/gateway-kit/processes/gateway-process";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";

/** Minimum contrast of WCAG 2.1 (level AA) for text of normal size. */
const CONTRAST_MIN = 4.5;

/** 255 bytes without a break opportunity, a name with a right-to-left override, and a name that looks like markup. */
const NAMES = ["w".repeat(255), "\u202Eevil\u2066", "<b onclick=alert(1)>\u200Fname"];

/**
 * Computes the contrast between the text of each visible element and the blended backgrounds behind it. The
 * script is a string, because these sources are compiled without browser types.
 */
const CONTRASTS = `(() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, below) => {
    const mix = (name) => top[name] * top.a + below[name] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };
  const light = ({ r, g, b }) => {
    const [lr, lg, lb] = [r, g, b].map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * lr + 0.7152 * lg + 0.0722 * lb;
  };
  const behind = (element) => {
    if (element === null) return parse(getComputedStyle(document.documentElement).backgroundColor);
    return over(parse(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  };
  const hasText = (element) =>
    element.matches("input") ||
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
  return [...document.body.querySelectorAll("*")]
    .filter((element) => hasText(element) && element.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
    .filter((element) => element.getBoundingClientRect().width > 1 && !element.matches(":disabled, :disabled *"))
    .map((element) => {
      const back = behind(element);
      const [one, other] = [light(over(parse(getComputedStyle(element).color), back)), light(back)].sort((a, b) => b - a);
      const text = (element.value ?? element.textContent).slice(0, 20);
      return { what: element.tagName + "#" + element.id + "." + element.className + " " + text, contrast: (one + 0.05) / (other + 0.05) };
    });
})()`;

interface Contrast {
  readonly what: string;
  readonly contrast: number;
}

let profile: string;
let gateway: GatewayProcess;
let browser: BrowserContext;

beforeAll(async () => {
  profile = await mkdtemp(join(tmpdir(), "cm-page-dark-"));
  gateway = await startGatewayProcess({ env: { PAGE: "true" } });
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

async function openAs(user: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${gateway.url}/?room=hall&user=${encodeURIComponent(user)}`);
  await page.getByRole("button", { name: "Connect" }).click();
  await page.getByText("You are in hall.").waitFor();
  return page;
}

it("is as wide as its window and readable in dark and light, at the width of a phone and of a desk, whatever names others take", async () => {
  const pages: Page[] = [];
  for (const user of NAMES) pages.push(await openAs(user));
  const [page] = pages;
  if (page === undefined) throw new Error("There is a page for each name.");
  await page.bringToFront();
  await page.locator("#text").fill("hello");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("log").getByRole("listitem").filter({ hasText: "hello" }).waitFor();
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme });
    for (const [width, height] of [
      [375, 667],
      [1_280, 800],
    ] as const) {
      await page.setViewportSize({ width, height });
      expect(await page.evaluate("document.documentElement.scrollWidth"), colorScheme).toBe(width);
      // The script uses the computed colours, after all rules and media queries.
      const contrasts = (await page.evaluate(CONTRASTS)) as Contrast[]; // The script returns this shape.
      expect(contrasts.length).toBeGreaterThan(10);
      expect(contrasts.filter(({ contrast }) => !(contrast >= CONTRAST_MIN))).toEqual([]);
    }
  }
});

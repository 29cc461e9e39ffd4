import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { SetupError } from "../workspace/workspace.mjs";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

/** Screen sizes of a phone and of a desktop. */
const PHONE = { width: 375, height: 667 };
const DESK = { width: 1_280, height: 800 };

/** Number of pages checked concurrently. */
const TABS = 2;

/**
 * Opens every page of the site in Chromium: none may be wider than the screen of a phone or of a desktop, and
 * the browser must report no errors. Then tests the navigation on both, and the search. If `pictures` names a
 * folder, saves screenshots of the pages in `shown` there, in light and dark.
 */
export async function lookAtSite(url, pages, { executablePath, pictures, shown = [] }) {
  const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
  const faults = [];
  try {
    const queue = [...pages];
    const tabs = Array.from({ length: TABS }, async () => {
      const page = await openTab(browser, faults);
      for (let path = queue.shift(); path !== undefined; path = queue.shift()) await measure(page, url, path, faults);
      await page.close();
    });
    await Promise.all(tabs);
    await tryNavigation(browser, url, faults);
    await trySearch(browser, url, faults);
    if (pictures !== undefined) await takePictures(browser, url, shown, pictures);
  } finally {
    await browser.close();
  }
  if (faults.length > 0) throw new SetupError(`Faults of the site in a browser:\n${faults.join("\n")}`);
}

async function openTab(browser, faults, options = {}) {
  const context = await browser.newContext({ viewport: DESK, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`${page.url()}: ${error}`));
  page.on("response", (response) => {
    if (response.status() >= 400) faults.push(`${page.url()}: ${response.url()} answered ${response.status()}`);
  });
  return page;
}

async function measure(page, url, path, faults) {
  for (const viewport of [DESK, PHONE]) {
    await page.setViewportSize(viewport);
    if (viewport === DESK) await page.goto(`${url}/${path}`, { waitUntil: "load" });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    if (width > viewport.width) faults.push(`${path}: ${width} px wide on a screen of ${viewport.width} px`);
  }
  const title = await page.locator("h1").first().textContent();
  if (!title?.trim()) faults.push(`${path}: has no title`);
}

/** Navigates from the first page to a guide, on a desktop and on a phone. */
async function tryNavigation(browser, url, faults) {
  const desk = await openTab(browser, faults);
  await desk.goto(url);
  await desk.locator(".VPSidebar").getByRole("link", { name: "Leases, heartbeats and crashes" }).click();
  await desk.getByRole("heading", { level: 1, name: "Leases, heartbeats and crashes" }).waitFor();
  await desk.context().close();

  const phone = await openTab(browser, faults, { viewport: PHONE, isMobile: true, hasTouch: true });
  await phone.goto(url);
  await phone.locator(".VPLocalNav .menu").click();
  await phone.locator(".VPSidebar.open").getByRole("link", { name: "Resume", exact: true }).click();
  await phone.getByRole("heading", { level: 1, name: "Resume" }).waitFor();
  await phone.context().close();
}

async function trySearch(browser, url, faults) {
  const page = await openTab(browser, faults);
  await page.goto(url);
  await page.locator(".VPNavBarSearch button").first().click();
  await page.locator(".VPLocalSearchBox input").fill("lease");
  const results = page.locator(".VPLocalSearchBox .result");
  await results.filter({ hasText: "Leases, heartbeats and crashes" }).first().waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".VPLocalSearchBox").waitFor({ state: "detached" });
  if (new URL(page.url()).pathname === "/") faults.push("the search leads to no page");
  await page.context().close();
}

async function takePictures(browser, url, shown, folder) {
  mkdirSync(folder, { recursive: true });
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [PHONE, DESK]) {
      const page = await openTab(browser, [], { viewport, colorScheme });
      for (const path of shown) {
        await page.goto(`${url}/${path}`, { waitUntil: "load" });
        const name = `${path.replace(/\.html$/, "").replaceAll("/", "-")}-${viewport.width}-${colorScheme}.png`;
        await page.screenshot({ path: join(folder, name), fullPage: true, timeout: 60_000 });
      }
      await page.context().close();
    }
  }
}

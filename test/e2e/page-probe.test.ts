import { chromium } from "playwright-core";
import { startNode } from "../support/node.js";

const browserTest = process.env["CHROMIUM_MISSING"] === undefined ? test : test.skip;
const why = process.env["CHROMIUM_MISSING"] ? ` (skipped: ${process.env["CHROMIUM_MISSING"]})` : "";

browserTest(`probe${why}`, async () => {
  const node = await startNode();
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
  const page = await browser.newPage();
  page.on("console", (m) => process.stderr.write(`${m.type()} ${m.text()}\n`));
  await page.goto(node.http);
  await page.locator('[data-testid="state"][data-state="connected"]').waitFor();
  expect(await page.locator('[data-testid="topics"] li[data-status="joined"]').getAttribute("data-topic")).toBe("hello");
  await browser.close();
});

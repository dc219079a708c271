import type { Page } from "playwright-core";
import { findViolations } from "../support/clients/accessibility.js";
import { inBrowser, NO_SERVER, openPage, PHONE } from "../support/clients/browser.js";
import { type RunningExample, startExample } from "../support/examples.js";

interface Visitor {
  readonly page: Page;
  readonly name: string;
}

/** Opens the board as another visitor. */
async function visit({ url }: RunningExample, device = {}): Promise<Visitor> {
  const { page } = await openPage(url, {
    expected: new RegExp(`${NO_SERVER.source}|WebSocket connection to`),
    device,
  });
  const [, name = ""] =
    /^You are (.*?)[.,]/.exec((await page.locator("#people", { hasText: "You are" }).textContent()) ?? "") ?? [];
  return { page, name };
}

/** Moves a visitor's pointer to a place on the board, in parts of its size. */
async function point({ page }: Visitor, x: number, y: number): Promise<void> {
  const box = await page.locator("#board").boundingBox();
  if (box === null) throw new Error("no board");
  await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
}

/** Resolves when a visitor sees another one's cursor at a place, give or take a hundredth. */
function sees({ page }: Visitor, { name }: Visitor, x: number, y: number): Promise<unknown> {
  return page.waitForFunction(
    ([who, left, top]) => {
      const cursors = [...document.querySelectorAll<HTMLElement>(".cursor")];
      const { style } = cursors.find(({ dataset }) => dataset["name"] === who) ?? {};
      if (style === undefined) return false;
      return Math.abs(parseFloat(style.left) - 100 * left) < 1 && Math.abs(parseFloat(style.top) - 100 * top) < 1;
    },
    [name, x, y] as const,
  );
}

inBrowser("the cursors example", () => {
  test("shows the cursors of the others until they leave, and again after a restart of its node", async () => {
    const example = await startExample("cursors");
    const [one, other] = [await visit(example), await visit(example, PHONE)];
    await one.page.locator("#people", { hasText: `with ${other.name}` }).waitFor();
    await point(other, 0.25, 0.75);
    await sees(one, other, 0.25, 0.75);
    await point(one, 0.5, 0.1);
    await sees(other, one, 0.5, 0.1);
    // Moves between two messages are skipped, and the last one is sent.
    for (let step = 0; step <= 50; step += 1) await point(other, 0.2 + step / 100, 0.5);
    await sees(one, other, 0.7, 0.5);

    await example.restart();
    for (const { page } of [one, other]) await page.locator("#connection", { hasText: "Live" }).waitFor();
    await one.page.locator("#people", { hasText: `with ${other.name}` }).waitFor();
    await point(other, 0.3, 0.3);
    await sees(one, other, 0.3, 0.3);

    await other.page.reload();
    await other.page.locator("#people", { hasText: `You are ${other.name}, with ${one.name}` }).waitFor();
    await other.page.context().close();
    await one.page.locator("#people", { hasText: "Nobody else is here" }).waitFor();
    expect(await one.page.locator(".cursor:not(.own)").count()).toBe(0);
  });

  test("is moved by the arrow keys, too, and stays on the board", async () => {
    const example = await startExample("cursors");
    const [one, other] = [await visit(example), await visit(example)];
    await one.page.locator("#board").focus();
    await one.page.keyboard.press("ArrowRight");
    await sees(other, one, 0.52, 0.5);
    for (let step = 0; step < 30; step += 1) await one.page.keyboard.press("ArrowUp");
    await sees(other, one, 0.52, 0);
    expect(await one.page.locator(".cursor.own").isVisible()).toBe(true);
  });

  test("is accessible on a desktop and on a phone, in light and dark colours, and fits", async () => {
    const example = await startExample("cursors");
    const other = await visit(example);
    for (const device of [{}, PHONE]) {
      const { page } = await visit(example, device);
      await page.locator("#people", { hasText: `with ${other.name}` }).waitFor();
      await point(other, 0.2, 0.2);
      await point(other, 0.2, 0.3);
      await page.locator(".cursor:not(.own)").waitFor();
      expect(await findViolations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
      await page.context().close();
    }
  });
});

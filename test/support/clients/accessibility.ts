import { readFileSync } from "node:fs";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";

const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** Smallest touch target, in CSS pixels (WCAG 2.2, 2.5.5). */
export const TOUCH_TARGET = 44;

/** Returns the rules of accessibility that a page breaks, in light and in dark colours, with the elements that break them. */
export async function findViolations(page: Page): Promise<string[]> {
  const found: string[] = [];
  await page.evaluate(axe);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(() =>
      (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
    );
    for (const { id, nodes } of violations) {
      found.push(`${colorScheme}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    }
  }
  return found;
}

/** Returns the labels of visible controls that are too small for a finger. */
export function findSmallTargets(page: Page): Promise<string[]> {
  return page.evaluate(smallTargets, TOUCH_TARGET);
}

/** Runs in the page. */
function smallTargets(size: number): string[] {
  const controls = document.querySelectorAll<HTMLElement>("button, a, input, textarea, summary");
  return [...controls]
    .filter((control) => control.offsetParent !== null)
    .map((control) => ({ control, box: control.getBoundingClientRect() }))
    .filter(({ box }) => box.width < size || box.height < size)
    .map(({ control, box }) => `${control.id || control.textContent?.trim()}: ${box.width} x ${box.height}`);
}

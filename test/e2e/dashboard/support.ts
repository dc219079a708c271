import { readFileSync } from "node:fs";
import type { AxeResults } from "axe-core";
import type { BrowserContextOptions } from "playwright-core";
import { PASSWORD } from "../../admin/support.js";
import { openPage, PHONE, type TestPage } from "../../support/clients/browser.js";

export const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };

const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** Smallest touch target, in CSS pixels (WCAG 2.2, 2.5.8). */
const TOUCH_TARGET = 24;

export interface OpenOptions {
  /** Fragment, such as `#/topics`. */
  readonly hash?: string;
  readonly expected?: RegExp;
  readonly device?: BrowserContextOptions;
}

/** Opens the dashboard. */
export function openDashboard(node: { readonly http: string }, options: OpenOptions = {}): Promise<TestPage> {
  return openPage(node.http, { path: "admin", ...options });
}

/** Opens the dashboard and signs in with the password. */
export async function openSignedIn(node: { readonly http: string }, options: OpenOptions = {}): Promise<TestPage> {
  const shown = await openDashboard(node, options);
  await submitSecret(shown, PASSWORD);
  await shown.page.getByTestId("sign-out").waitFor();
  return shown;
}

export async function submitSecret({ page }: TestPage, secret: string): Promise<void> {
  await page.getByTestId("secret").fill(secret);
  await page.getByTestId("sign-in").click();
}

/** Serious and critical violations of the page in both themes, on a desktop and a phone, and touch targets too small. */
export async function findBarriers({ page }: TestPage): Promise<string[]> {
  const barriers: string[] = [];
  for (const { viewport } of [PHONE, DESKTOP]) {
    if (viewport === undefined || viewport === null) throw new Error("the device has no viewport");
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() =>
        (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
      );
      for (const { id, impact, nodes } of violations) {
        if (impact !== "serious" && impact !== "critical") continue;
        barriers.push(`${colorScheme} ${viewport.width}: ${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      }
    }
    barriers.push(...(await page.evaluate(findSmallTargets, TOUCH_TARGET)));
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (overflow > 0) barriers.push(`${viewport.width}: the page is ${overflow} pixels too wide`);
  }
  return barriers;
}

/** Returns the controls that are too small, except links in a text. Runs in the page. */
function findSmallTargets(size: number): string[] {
  const controls = document.querySelectorAll<HTMLElement>(
    "button:not(.link), nav a, input:not([type=checkbox]), select",
  );
  return [...controls]
    .filter((control) => control.offsetParent !== null)
    .map((control) => ({ control, box: control.getBoundingClientRect() }))
    .filter(({ box }) => box.width < size || box.height < size)
    .map(({ control, box }) => `${control.outerHTML}: ${box.width} x ${box.height}`);
}

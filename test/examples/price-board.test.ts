import type { Page } from "playwright-core";
import { findViolations } from "../support/clients/accessibility.js";
import { inBrowser, NO_SERVER, openPage, PHONE } from "../support/clients/browser.js";
import { type RunningExample, startExample } from "../support/examples.js";

/** Globals of the page. */
interface Watched {
  /** Messages that the page has received. */
  updates: number;
  /** Frames that the page has asked for, and that the test holds. */
  held: FrameRequestCallback[];
}

/** Opens the board in a page that counts its messages. */
async function openBoard({ url }: RunningExample): Promise<Page> {
  const { page } = await openPage(url, { expected: new RegExp(`${NO_SERVER.source}|WebSocket connection to`) });
  await page.context().addInitScript(() => {
    const watched = globalThis as unknown as Watched;
    watched.updates = 0;
    globalThis.WebSocket = class extends WebSocket {
      constructor(address: string | URL, protocols?: string | string[]) {
        super(address, protocols);
        this.addEventListener("message", () => (watched.updates += 1));
      }
    };
  });
  await page.reload();
  await hasAllPrices(page);
  return page;
}

function hasAllPrices(page: Page): Promise<unknown> {
  return page.waitForFunction(() => {
    const prices = [...document.querySelectorAll("#board li > span:nth-child(2)")];
    return prices.length === 40 && prices.every(({ textContent }) => /^\d+\.\d\d$/.test(textContent ?? ""));
  });
}

/** Resolves when the page has received so many messages from now on. Waits for tasks, because the page may have no frames. */
function receives(page: Page, count: number): Promise<void> {
  return page.evaluate(async (more) => {
    const watched = globalThis as unknown as Watched;
    const end = watched.updates + more;
    while (watched.updates < end) await new Promise((resolve) => setTimeout(resolve));
  }, count);
}

/** CPU time of the page's main thread in seconds. That of other programs does not count. */
async function readBusyTime(page: Page): Promise<() => Promise<number>> {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration")?.value ?? Number.NaN;
  };
}

inBrowser("the price board example", () => {
  test("changes the page once in a frame, however many prices arrive", async () => {
    const page = await openBoard(await startExample("price-board"));
    await page.evaluate(async () => {
      const watched = globalThis as unknown as Watched;
      const nextFrame = globalThis.requestAnimationFrame;
      watched.held = [];
      globalThis.requestAnimationFrame = (draw) => watched.held.push(draw);
      // Frames that the page has asked for before.
      for (let count = 0; count < 2; count += 1) await new Promise((resolve) => nextFrame(resolve));
    });
    const countChanges = await page.evaluateHandle(() => {
      let changes = 0;
      const observer = new MutationObserver((records) => (changes += records.length));
      observer.observe(document.querySelector("#board") as Element, {
        subtree: true,
        childList: true,
        attributes: true,
      });
      return () => changes + observer.takeRecords().length;
    });
    await receives(page, 1_000);
    expect(await countChanges.evaluate((count) => count())).toBe(0);
    // One frame for the prices, and one for the figures.
    const frames = await page.evaluate(() => (globalThis as unknown as Watched).held.length);
    expect(frames).toBe(2);
    const changes = await countChanges.evaluate((count) => {
      for (const draw of (globalThis as unknown as Watched).held.splice(0)) draw(performance.now());
      return count();
    });
    expect(changes).toBeGreaterThanOrEqual(40);
    // A price, its change, and its colour.
    expect(changes).toBeLessThanOrEqual(3 * 40);
  });

  test("needs less than half of a core's time for 1,000 updates a second, and goes on after a restart of its node", async () => {
    const example = await startExample("price-board");
    const page = await openBoard(example);
    const readTime = await readBusyTime(page);
    const before = await readTime();
    const count = 3_000;
    const frames = await page.evaluate(() => {
      const counted = { frames: 0 };
      const step = (): void => {
        counted.frames += 1;
        requestAnimationFrame(step);
      };
      step();
      return Object.assign(globalThis, { counted }).counted;
    });
    expect(frames.frames).toBe(1);
    await receives(page, count);
    await page.waitForFunction(() => (globalThis as unknown as { counted: { frames: number } }).counted.frames > 20);
    const perUpdate = ((await readTime()) - before) / count;
    expect(perUpdate).toBeLessThan(0.5 / 1_000);
    await page.locator("#updates", { hasText: /^[1-9]/ }).waitFor();

    await example.restart();
    await page.locator("#connection", { hasText: "Live" }).waitFor();
    await receives(page, 1_000);
  });

  test("is accessible on a desktop and on a phone, in light and dark colours, and fits", async () => {
    const { url } = await startExample("price-board");
    for (const device of [{}, PHONE]) {
      const { page } = await openPage(url, { device });
      await hasAllPrices(page);
      // A board that changes all the time would take the processor from those who look at it.
      await page.evaluate(() => {
        globalThis.requestAnimationFrame = () => 0;
      });
      expect(await findViolations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
      await page.close();
    }
  });
});

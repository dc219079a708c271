import type { BrowserContextOptions } from "playwright-core";
import { say } from "../../support/backends/publish.js";
import { findSmallTargets, findViolations, TOUCH_TARGET } from "../../support/clients/accessibility.js";
import { inBrowser, openPage, PHONE, type TestPage } from "../../support/clients/browser.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const PATHS = ["", "try/broadcaster", "try/rootsocket", "try/webrocket", "try/socketio"];
const DESKTOP: BrowserContextOptions = { viewport: { width: 1280, height: 800 } };

inBrowser("the pages on devices", () => {
  let node: TestNode;

  beforeEach(async () => {
    node = await startNode();
  });

  for (const path of PATHS) {
    for (const [name, device] of Object.entries({ DESKTOP, PHONE })) {
      const touch = device.hasTouch === true ? `, with touch targets of ${TOUCH_TARGET} pixels` : "";
      test(`/${path} is accessible on a ${name.toLowerCase()} in light and dark colours${touch}`, async () => {
        // Protocols that need settings first refuse the connection here.
        const shown = await openPage(node.http, { path, device, expected: /./ });
        await openAllDetails(shown);
        expect(await findViolations(shown.page)).toEqual([]);
        expect(device.hasTouch === true ? await findSmallTargets(shown.page) : []).toEqual([]);
      });
    }
  }

  test("shows the newest message beside the publish form on a phone", async () => {
    const shown = await openPage(node.http, { device: PHONE });
    await shown.joined("hello");
    await shown.publish("hello", "from a phone");
    const newest = shown.page.getByTestId("latest");
    await newest.filter({ hasText: "from a phone" }).waitFor();
    expect(await isInView(shown, "latest")).toBe(true);
    expect(await isInView(shown, "publish-button")).toBe(true);

    await newest.click();
    await newest.waitFor({ state: "hidden" });
    expect(await shown.payloads(1)).toEqual(["from a phone"]);
    expect(await isInView(shown, "messages")).toBe(true);
  });

  test("shows nothing above the list when the list is in view", async () => {
    const shown = await openPage(node.http, { device: DESKTOP });
    await shown.joined("hello");
    await say(node, "hello", "on a desktop");
    expect(await shown.payloads(1)).toEqual(["on a desktop"]);
    expect(await shown.page.getByTestId("latest").isHidden()).toBe(true);
  });

  test("E2: brings a refusal in view when the page is scrolled away from it", async () => {
    const device = { viewport: { width: 1280, height: 420 } };
    const shown = await openPage(node.http, { device, expected: /status of 400/ });
    await shown.joined("hello");
    await shown.page.getByTestId("publish-topic").fill("#reserved");
    await shown.page.getByTestId("publish-topic").press("Enter");
    await shown.says("publish-result", /begins with a reserved character/);
    expect(await isInView(shown, "publish-result")).toBe(true);
  });
});

/** Opens folded parts, so that they are checked too. */
async function openAllDetails({ page }: TestPage): Promise<void> {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
}

/** Whether the element is in the window at least in part. */
function isInView({ page }: TestPage, testId: string): Promise<boolean> {
  return page.getByTestId(testId).evaluate((element) => {
    const { bottom, top } = element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  });
}

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { cleanUp } from "../clean-up.js";
import { PATIENCE } from "../patience.js";

const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const executablePath = process.env["CHROMIUM"] ?? findOnPath();
const missing =
  process.env["CHROMIUM_MISSING"] ?? (executablePath === undefined ? "no Chromium on the PATH" : undefined);

let browser: Browser | undefined;
const complaints: string[] = [];

// Registered after the clean-up, because a hook that throws would skip the remaining clean-up.
afterEach(() => {
  const text = complaints.splice(0).join("\n");
  if (text !== "") throw new Error(`the browser complained:\n${text}`);
});

/** Groups tests that need a browser. Without one they are skipped, and the group's title has the reason. */
export function ifBrowser(title: string, tests: () => void): void {
  const group = missing === undefined ? describe : describe.skip;
  group(missing === undefined ? title : `${title} (skipped: ${missing})`, tests);
}

/** Groups tests that need a browser, and runs one for them. */
export function inBrowser(title: string, tests: () => void): void {
  ifBrowser(title, () => {
    beforeAll(startBrowser);
    afterAll(stopBrowser);
    tests();
  });
}

/**
 * Starts the one browser of a test file whose groups are not all {@link inBrowser}. Without a browser it does nothing.
 */
export async function startBrowser(): Promise<void> {
  if (missing !== undefined) return;
  browser = await chromium.launch({ args: ARGUMENTS, ...(executablePath === undefined ? {} : { executablePath }) });
}

export async function stopBrowser(): Promise<void> {
  await browser?.close();
  browser = undefined;
}

/** Problem that a browser reports while the server is stopping or unreachable. */
export const NO_SERVER = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|Unexpected response code|status of 503/;

export interface PageOptions {
  /** Path of the page, such as `try/webrocket`; default: the page of the native protocol. */
  readonly path?: string;
  /** Fragment with topics, such as `#foo,bar`; default: none, so that the page chooses. */
  readonly hash?: string;
  /** Problems that the test provokes, such as connections that fail without a server. */
  readonly expected?: RegExp;
  /** Screen, touch and colours; default: a desktop in light colours. */
  readonly device?: BrowserContextOptions;
  /** Whether the test controls the page's clock. */
  readonly movableClock?: boolean;
}

/** Phone of common size in portrait orientation. */
export const PHONE: BrowserContextOptions = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** The page in a tab with a profile of its own. */
export class TestPage {
  readonly page: Page;
  /** Problems reported by the browser: errors, warnings, violations of the content security policy. */
  readonly problems: string[] = [];
  /** Frames of the page's WebSockets, as seen by the browser's network layer. */
  readonly received: string[] = [];
  readonly sent: string[] = [];
  /** Texts written with console.log. */
  readonly logs: string[] = [];
  readonly state: Locator;
  readonly topics: Locator;
  readonly messages: Locator;

  /** Opens a URL in a page that the caller closes. */
  static async open(url: string, { device, movableClock }: PageOptions = {}): Promise<TestPage> {
    if (browser === undefined) throw new Error("there is no browser: pages are opened inside of inBrowser()");
    const context = await browser.newContext(device);
    context.setDefaultTimeout(PATIENCE);
    if (movableClock === true) await context.clock.install();
    const opened = new TestPage(await context.newPage());
    // The console reports most violations; this event reports all of them.
    await context.exposeFunction("reportViolation", (text: string) => opened.problems.push(`policy: ${text}`));
    await context.addInitScript(() => {
      const { reportViolation } = globalThis as unknown as { reportViolation: (text: string) => void };
      addEventListener("securitypolicyviolation", ({ blockedURI, violatedDirective }) => {
        reportViolation(`${violatedDirective} ${blockedURI}`);
      });
    });
    await opened.page.goto(url);
    return opened;
  }

  private constructor(page: Page) {
    this.page = page;
    this.state = page.getByTestId("state");
    this.topics = page.getByTestId("topics").locator("li");
    this.messages = page.getByTestId("messages").locator("li:not(.gap)");
    page.on("console", (entry) => {
      if (entry.type() === "log") this.logs.push(entry.text());
      if (["error", "warning"].includes(entry.type())) this.problems.push(`console: ${entry.text()}`);
    });
    page.on("pageerror", (error) => this.problems.push(`page: ${String(error)}`));
    page.on("dialog", (dialog) => {
      this.problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("websocket", (webSocket) => {
      webSocket.on("framereceived", ({ payload }) => this.received.push(String(payload)));
      webSocket.on("framesent", ({ payload }) => this.sent.push(String(payload)));
    });
  }

  /** @returns reported problems, except for expected ones */
  async close(expected?: RegExp): Promise<string[]> {
    await this.page.context().close();
    return this.problems.filter((problem) => expected?.test(problem) !== true);
  }

  /** Resolves when the page shows a state such as connected or reconnecting. */
  async inState(name: "connected" | "connecting" | "reconnecting" | "disconnected"): Promise<void> {
    await this.page.locator(`[data-testid="state"][data-state="${name}"]`).waitFor();
  }

  /** Resolves when the page shows these topics as joined. */
  async joined(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.page
        .locator(`[data-testid="topics"] li[data-topic=${JSON.stringify(name)}][data-status="joined"]`)
        .waitFor();
    }
  }

  /** Returns the names of all shown topics, in order. */
  topicNames(): Promise<(string | null)[]> {
    return this.topics.evaluateAll((items) => items.map((item) => item.getAttribute("data-topic")));
  }

  async join(text: string): Promise<void> {
    await this.page.getByTestId("join-input").fill(text);
    await this.page.getByTestId("join-button").click();
  }

  async publish(topic: string, payload: string, event = ""): Promise<void> {
    await this.page.getByTestId("publish-topic").fill(topic);
    await this.page.getByTestId("publish-event").fill(event);
    await this.page.getByTestId("publish-payload").fill(payload);
    await this.page.getByTestId("publish-button").click();
  }

  /** Waits until a number of messages are shown. Returns their payloads, oldest first. */
  async payloads(count: number): Promise<(string | null)[]> {
    await this.messages.nth(count - 1).waitFor();
    return (await this.messages.locator(".payload").allTextContents()).toReversed();
  }

  /**
   * Opens the tab of raw frames and waits until a number of frames of one direction are shown. Returns them, oldest
   * first.
   */
  async frames(way: "sent" | "received" | "note", count: number): Promise<string[]> {
    await this.page.getByTestId("tab-frames").click();
    const frames = this.page.locator(`[data-testid="frames"] li[data-way="${way}"]`);
    await frames.nth(count - 1).waitFor();
    return (await frames.locator("code").allTextContents()).toReversed();
  }

  /** Returns the next value that the page writes with console.log. */
  async logged(): Promise<unknown> {
    const entry = await this.page.waitForEvent("console", (candidate) => candidate.type() === "log");
    return entry.args()[0]?.jsonValue();
  }

  /** Resolves when a text has been written with console.log a number of times. */
  async hasLogged(text: string, times = 1): Promise<void> {
    while (this.logs.filter((log) => log === text).length < times) await this.page.waitForEvent("console");
  }

  /** Resolves when the element with this test id shows text that matches. */
  async says(testId: string, text: RegExp): Promise<void> {
    await this.page.getByTestId(testId).filter({ hasText: text }).waitFor();
  }
}

/** Opens a page of a node. It is closed after the test, and problems reported by the browser fail the test. */
export async function openPage(http: string, options: PageOptions = {}): Promise<TestPage> {
  const opened = await TestPage.open(`${http}/${options.path ?? ""}${options.hash ?? ""}`, options);
  cleanUp(async () => complaints.push(...(await opened.close(options.expected))));
  return opened;
}

function findOnPath(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

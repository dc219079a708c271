import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { createClient } from "../../../client/src/index.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { BackendClient } from "../../../src/outbound/backend/backend-client.js";
import { withResolvers } from "../../../src/util/with-resolvers.js";
import { cleanUp } from "../../support/clean-up.js";
import { proxyMissing } from "../../support/deploy/proxies.js";
import { ClusterPage } from "../../support/docs/cluster-page.js";
import { isInstalled } from "../../support/docs/example-runner.js";
import { type Example, patternOf, readExamples } from "../../support/docs/examples.js";
import { readPage } from "../../support/docs/pages.js";

/**
 * Runs every example of docs/cluster-setup.md: three nodes behind nginx with TLS, and Prometheus. Clients and a publisher run
 * during the rolling restart of the page.
 */

const { examples, heard } = readExamples(readPage("docs/cluster-setup.md"));
const TOPIC = "room.load";
const CLIENTS = 20;
const LAST = "the last message";

/** Milliseconds between two messages. Clients that are away miss far fewer messages than the history keeps. */
const PACE = 40;

/** Milliseconds for the restart of three nodes, on a busy machine. */
const RESTART_TIMEOUT = 600_000;

/** Port of nginx on the page. */
const HTTPS = 8443;

let page: ClusterPage;

/** Connects clients that recover, through nginx. Each returns what it receives until the last message. */
async function startClients(ca: Buffer): Promise<readonly Promise<readonly string[]>[]> {
  class TrustingWebSocket extends WebSocket {
    constructor(url: string, protocols?: string[]) {
      super(url, protocols, { ca });
    }
  }
  const joins: Promise<unknown>[] = [];
  const received = Array.from({ length: CLIENTS }, () => {
    const client = createClient(`wss://${page.addressOf(HTTPS)}/ws`, { webSocket: TrustingWebSocket });
    cleanUp(() => client.close());
    const topic = client.topic<string>(TOPIC);
    const texts: string[] = [];
    const done = withResolvers<readonly string[]>();
    const joined = withResolvers<undefined>();
    let joinCount = 0;
    topic.on("joined", ({ recovered }) => {
      joinCount += 1;
      if (joinCount > 1 && !recovered) texts.push("not recovered");
      joined.resolve(undefined);
    });
    topic.on("message", ({ data }) => {
      texts.push(data);
      if (data === LAST) done.resolve(texts);
    });
    joins.push(joined.promise);
    return done.promise;
  });
  await Promise.all(joins);
  return received;
}

/** Publishes numbered messages through nginx, each until it is stored. */
class Load {
  readonly texts: string[] = [];
  readonly #client: BackendClient;
  #running = true;
  readonly #ended: Promise<void>;

  constructor(ca: Buffer) {
    const url = `https://${page.addressOf(HTTPS)}`;
    this.#client = new BackendClient({ url, key: page.read("cluster/shop.key"), vhost: undefined, ca });
    this.#ended = this.#run();
  }

  /** Publishes the last message. */
  async end(): Promise<void> {
    this.#running = false;
    await this.#ended;
    await this.#publish(LAST);
    this.#client.close();
  }

  async #run(): Promise<void> {
    while (this.#running) {
      await this.#publish(`message ${this.texts.length}`);
      await pause(PACE);
    }
  }

  async #publish(text: string): Promise<void> {
    const payload = Buffer.from(JSON.stringify(text));
    const message = { topics: [TOPIC], payload, id: `load-${this.texts.length}` };
    this.texts.push(text);
    for (;;) {
      try {
        await this.#client.call(BroadcastService.method.publish, { messages: [message] });
        return;
      } catch {
        // The node may have stopped. The same id is stored once.
        await pause(PACE);
      }
    }
  }
}

/** Reason why an example cannot be run here; undefined if it can. */
function missingFor({ code }: Example): string | undefined {
  return /^(?:until )?(?:prometheus|promtool)\b|\bpromtool check/m.test(code) && !isInstalled("promtool")
    ? "Prometheus is not installed"
    : undefined;
}

/** Runs an example. @returns its output; of a program in the background, what the page says, once it has printed it */
async function runExample(example: Example): Promise<string> {
  if (!example.keepsRunning) return page.run(example);
  await page.startInBackground(example);
  return page.real(example.prints ?? "");
}

function outputOf({ prints = "" }: Example): RegExp {
  return new RegExp(`^${patternOf(page.real(prints))}$`);
}

function restartTest(example: Example): void {
  test(
    "restarts all nodes, and no client loses or repeats a message",
    async () => {
      const ca = readFileSync(`${page.folder}/cluster/tls/tls.crt`);
      const clients = await startClients(ca);
      const load = new Load(ca);
      expect(await runExample(example)).toMatch(outputOf(example));
      await load.end();
      expect(load.texts.length).toBeGreaterThan(10);
      for (const received of clients) expect(await received).toEqual(load.texts);
    },
    RESTART_TIMEOUT,
  );
}

function outputTest(example: Example): void {
  test("prints the output shown on the page", async () => {
    expect(await runExample(example)).toMatch(outputOf(example));
  });
}

const missing = proxyMissing("nginx") ?? (isInstalled("openssl") ? undefined : "openssl is not installed");
const group = missing === undefined ? describe : describe.skip;

group(`docs/cluster-setup.md${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  beforeAll(async () => {
    page = await ClusterPage.create(examples);
  });

  afterAll(() => page.close());

  for (const example of examples) {
    const [firstLine = ""] = example.code.split("\n");
    const why = missingFor(example);
    const one = why === undefined ? describe : describe.skip;

    one(`line ${example.line}: ${firstLine}${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
      if (example.code.includes("kill -TERM")) restartTest(example);
      else outputTest(example);
    });
  }

  test("prints what the page says in its listener", async () => {
    const lines = new RegExp(`^${patternOf(heard.join("\n"))}$`);
    await expect(page.programs.get("node")?.says(lines)).resolves.toBeDefined();
  });
});

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Socket } from "socket.io-client";
import { CONFIG, tokenFor } from "../../dialects/socketio/support.js";
import { publish } from "../../support/backends/publish.js";
import { startWorker } from "../../support/backends/worker.js";
import { cleanUp } from "../../support/clean-up.js";
import { inBrowser, openPage, type TestPage } from "../../support/clients/browser.js";
import { TRANSPORTS } from "../../support/clients/socket-io.js";
import { startNode } from "../../support/nodes/node.js";

const MODULES = join(__dirname, "../../../node_modules");

/** Browser builds of the libraries, by version. */
const BUNDLES = {
  "2.3.0": "socket.io-client-2/dist/socket.io.js",
  "3.1.3": "socket.io-client-3/dist/socket.io.min.js",
  "4.x": "socket.io-client/dist/socket.io.min.js",
} as const;

type Version = keyof typeof BUNDLES;

const CLIENTS = (Object.keys(BUNDLES) as Version[]).flatMap((version) =>
  TRANSPORTS.map((transport) => [version, transport] as const),
);

/** Globals of the page, beside the library's. */
interface Page {
  io(url: string, options: object): Socket;
  socket: Socket;
  heard: unknown[][];
}

/** Serves an application on another origin, which loads the stock client only. */
async function serveApp(version: Version): Promise<string> {
  const bundle = readFileSync(join(MODULES, BUNDLES[version]));
  const server = createServer((request, response) => {
    const isScript = request.url === "/client.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(
      isScript ? bundle : '<!doctype html><link rel="icon" href="data:,"><script src="/client.js"></script>',
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Resolves with the next event that the page receives. */
async function heard({ page }: TestPage): Promise<unknown[]> {
  const handle = await page.waitForFunction(() => (globalThis as unknown as Page).heard.shift());
  return (await handle.jsonValue()) as unknown[];
}

inBrowser("Socket.IO in a browser", () => {
  test.each(CLIENTS)(
    "I15, I16: serves every feature to client %s of another origin over %s",
    async (version, transport) => {
      const app = await serveApp(version);
      const node = await startNode({ ...CONFIG, origins: [app] });
      const worker = await startWorker(node, ["*"]);
      const shown = await openPage(app);
      const ask = (event: string, value: unknown): Promise<unknown> =>
        shown.page.evaluate(
          ([name, argument]) =>
            new Promise((resolve) => {
              (globalThis as unknown as Page).socket.emit(String(name), argument, resolve);
            }),
          [event, value],
        );
      await shown.page.evaluate(
        async ([url, way]) => {
          const page = globalThis as unknown as Page;
          page.heard = [];
          page.socket = page.io(String(url), { transports: [way], withCredentials: true });
          const hear = (...event: unknown[]): void => {
            page.heard.push(event.map((value) => (value instanceof ArrayBuffer ? [...new Uint8Array(value)] : value)));
          };
          // Version 2.3.0 has no onAny.
          for (const name of ["log_pool", "message", "bytes", "pool_response", "to_you"]) {
            page.socket.on(name, (value: unknown) => hear(name, value));
          }
          await new Promise((resolve, reject) => {
            page.socket.on("connect", () => resolve(undefined));
            page.socket.on("connect_error", reject);
          });
        },
        [node.http, transport],
      );
      const elevated = await ask("request_elevation", { token: await tokenFor("eve") });
      const [, id = ""] = /^(.+)_auth$/.exec((elevated as { readonly room: string }).room) ?? [];
      expect(elevated).toEqual({ success: true, room: `${id}_auth` });
      expect(await ask("spectate", { guild_id: "42", include_logs: true })).toEqual({ ok: true });
      await publish(node, [
        { topics: ["42"], payload: '{"text":"ü 😀"}', event: "log_pool" },
        { topics: ["42"], payload: "plain" },
        { topics: ["42"], payload: Uint8Array.of(255, 0, 30), event: "bytes" },
      ]);
      expect(await heard(shown)).toEqual(["log_pool", { text: "ü 😀" }]);
      expect(await heard(shown)).toEqual(["message", "plain"]);
      expect(await heard(shown)).toEqual(["bytes", [255, 0, 30]]);

      const answer = ask("pool_request", { _id: 1 });
      const task = await worker.tasks.next();
      expect(task).toMatchObject({ user: "eve", connectionId: id });
      worker.answer(task, '{"part":1}', true);
      expect(await heard(shown)).toEqual(["pool_response", { part: 1, _id: 1, finished: false }]);
      worker.answer(task, '{"part":2}');
      expect(await answer).toEqual({ part: 2, _id: 1, finished: true });
      await publish(node, [{ topics: [`$connection.${id}`], payload: "1", event: "to_you" }]);
      expect(await heard(shown)).toEqual(["to_you", 1]);
      await shown.page.evaluate(() => {
        (globalThis as unknown as Page).socket.disconnect();
      });
    },
  );
});

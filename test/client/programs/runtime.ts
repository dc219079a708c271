// Bundled for other runtimes by runtimes.test.ts, which reads what it prints.

import { createFallback } from "../../../client/src/events.js";
import { createClient } from "../../../client/src/index.js";

const print = (line: string): void => globalThis.console.log(line);
const { Deno: deno } = globalThis as { Deno?: { readonly args: readonly string[] } };
const [url = "", transport] = deno?.args ?? process.argv.slice(2);

const options = transport === "events" ? { webSocket: createFallback({ webSocket: false }) } : {};
const client = createClient(url, { random: () => 0, ...options });
const room = client.topic("room");
client.on("state", ({ status }) => print(status));
room.on("message", ({ data }) => print(`message ${String(data)}`));
room.on("joined", ({ recovered }) => {
  print(`joined ${recovered}`);
  if (recovered && transport !== "events") void room.publish("from the program");
});

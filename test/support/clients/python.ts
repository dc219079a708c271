import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { withResolvers } from "../../../src/util/with-resolvers.js";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";
import type { HeardEvent, SocketIoClient, Transport } from "./socket-io.js";

const PROGRAM = join(__dirname, "socketio_client.py");

/** Line of the program's output. */
type OutputLine =
  | { readonly what: "event"; readonly event: string; readonly value: unknown }
  | { readonly what: "answer"; readonly number: number; readonly value: unknown }
  | { readonly what: "connect_error"; readonly data: { readonly message: string } | null }
  | { readonly what: "connect" | "disconnect" };

/** Finds an environment of scripts/python by name, or the reason why `npm test` has not created it. */
export function pythonAt(name: string): { readonly path: string | undefined; readonly missing: string } {
  const variable = `PYTHON_${name.replaceAll("-", "_").toUpperCase()}`;
  const missing = process.env[`${variable}_MISSING`] ?? `${variable} is not set`;
  return { path: process.env[variable], missing };
}

/** Client of python-socketio in a separate process. */
export class PythonClient implements SocketIoClient {
  readonly heard = new Queue<HeardEvent>();
  readonly ended = new Queue<string>();
  readonly #write: (line: string) => void;
  readonly #answers = new Map<number, (value: unknown) => void>();
  readonly #connected = withResolvers<this>();
  #requests = 0;

  /** @param token - sent in a header or in the connect request, depending on the client's version */
  constructor(python: string, url: string, transport: Transport, token?: string) {
    const args = [PROGRAM, url, transport, ...(token === undefined ? [] : [token])];
    const child = spawn(python, args, { stdio: ["pipe", "pipe", "inherit"] });
    const gone = once(child, "close");
    this.#write = (line) => child.stdin.write(`${line}\n`);
    createInterface({ input: child.stdout }).on("line", (text) => {
      this.#receive(withBytes(JSON.parse(text)) as OutputLine);
    });
    cleanUp(async () => {
      child.kill("SIGKILL");
      await gone;
    });
  }

  /** Connects. Rejects when the client is refused. */
  connected(): Promise<this> {
    return this.#connected.promise;
  }

  ask(event: string, ...values: readonly unknown[]): Promise<unknown> {
    this.#requests += 1;
    const number = this.#requests;
    const { promise, resolve } = withResolvers<unknown>();
    this.#answers.set(number, resolve);
    this.#write(JSON.stringify({ event, values: values.map(withoutBytes), number }));
    return promise;
  }

  emit(event: string, ...values: readonly unknown[]): void {
    this.#write(JSON.stringify({ event, values: values.map(withoutBytes) }));
  }

  /** Sends an event with JSON text that JavaScript cannot produce. */
  emitText(event: string, text: string): void {
    this.#write(`{"event":${JSON.stringify(event)},"values":[${text}]}`);
  }

  disconnect(): void {
    this.#write('{"event":null}');
  }

  #receive(line: OutputLine): void {
    if (line.what === "event") this.heard.push({ event: line.event, value: line.value });
    else if (line.what === "answer") this.#answers.get(line.number)?.(line.value);
    else if (line.what === "connect_error") this.#connected.reject(new Error(line.data?.message ?? "refused"));
    else if (line.what === "connect") this.#connected.resolve(this);
    else this.ended.push("");
  }
}

function withBytes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_key, member: unknown) => {
    if (typeof member !== "object" || member === null || !("$bytes" in member)) return member;
    return Buffer.from(String(member.$bytes), "base64");
  });
}

function withoutBytes(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(withoutBytes);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutBytes(member)]));
}

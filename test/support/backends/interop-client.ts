import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { ignore } from "../../../src/util/ignore.js";
import { packageRoot } from "../../../src/util/package-root.js";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";
import { detailOfStatus, type TestDetail } from "./error-details.js";

const PYTHON_CLIENT = join(packageRoot, "test/e2e/interop/clients/python/client.py");

/** Options of the Java virtual machine that let small programs start sooner. */
const QUICK_START = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"];

/** Libraries of gRPC: the variable of `npm test` with the built client, and the command that starts it. */
const CLIENTS = {
  "C core": { variable: "PYTHON_GRPC", command: (python: string) => [python, PYTHON_CLIENT] },
  "grpc-go": { variable: "INTEROP_GO", command: (program: string) => [program] },
  "grpc-java": {
    variable: "INTEROP_JAVA",
    command: (folder: string) => ["java", ...QUICK_START, "-cp", `${folder}/classes:${folder}/lib/*`, "Client"],
  },
  tonic: { variable: "INTEROP_RUST", command: (program: string) => [program] },
} as const;

export type InteropLibrary = keyof typeof CLIENTS;

export const INTEROP_LIBRARIES = Object.keys(CLIENTS) as InteropLibrary[];

/** Reason why a library's client cannot be run here; undefined if it can. */
export function interopMissing(library: InteropLibrary): string | undefined {
  const { variable } = CLIENTS[library];
  return process.env[variable] === undefined
    ? (process.env[`${variable}_MISSING`] ?? `${variable} is not set`)
    : undefined;
}

/** Method of any kind, or one that does not exist. */
export interface InteropMethod<Output extends DescMessage = DescMessage> {
  readonly name: string;
  readonly parent: { readonly typeName: string };
  readonly input: DescMessage;
  readonly output: Output;
}

export interface InteropSettings {
  /** File with the authority of the server's certificate; default: no TLS. */
  readonly caFile?: string;
  readonly identity?: { readonly certFile: string; readonly keyFile: string };
  /** Milliseconds between two pings. */
  readonly ping?: number;
}

export interface InteropOptions {
  /** Milliseconds until the deadline. */
  readonly deadline?: number;
  readonly compression?: "gzip" | "deflate";
  readonly metadata?: Readonly<Record<string, Buffer | string>>;
}

/** Outcome of a call, by gRPC's status codes. */
export interface InteropStatus {
  readonly status: number;
  readonly message: string;
  readonly detail: TestDetail | undefined;
}

export const SUCCESS: InteropStatus = { status: 0, message: "", detail: undefined };

/**
 * Program with a published library of gRPC, which calls one address until the end of the test. README.md of
 * test/e2e/interop/clients/ describes its lines.
 */
export class InteropClient {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines = new Map<string, Queue<readonly string[]>>();

  constructor(library: InteropLibrary, address: string, { caFile, identity, ping }: InteropSettings = {}) {
    const { command, variable } = CLIENTS[library];
    const [program = "", ...args] = command(process.env[variable] ?? "");
    const settings = [
      ...(caFile === undefined ? [] : [`ca=${caFile}`]),
      ...(identity === undefined ? [] : [`identity=${identity.certFile}:${identity.keyFile}`]),
      ...(ping === undefined ? [] : [`ping=${ping}`]),
    ];
    const stdio = ["pipe", "pipe", "inherit"] as const;
    this.#child = spawn(program, [...args, address, ...settings], { stdio: [...stdio] });
    const gone = once(this.#child, "close").then(() => {
      for (const queue of this.#lines.values()) queue.push(["end of the program"]);
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const [id = "", ...fields] = line.split(" ");
      this.#lines.get(id)?.push(fields);
    });
    cleanUp(async () => {
      this.#child.kill("SIGKILL");
      await gone;
    });
  }

  /** Makes a unary call. */
  async call<Output extends DescMessage>(method: InteropMethod<Output>, request: object, options?: InteropOptions) {
    const id = this.#write("call", pathOf(method), textOf(options), encode(method, request));
    const stream = new InteropStream(method, this.#queue(id), () => {});
    const answers = await stream.rest();
    return { ...(await stream.ended), answer: answers[0] };
  }

  /**
   * Makes equal unary calls.
   * @param parallel - calls at a time
   * @returns the number of successful calls, and one of the failures
   */
  async repeat(method: InteropMethod, request: object, count: number, parallel: number, options?: InteropOptions) {
    const body = encode(method, request);
    const id = this.#write("repeat", pathOf(method), textOf(options), body, String(count), String(parallel));
    const queue = this.#queue(id);
    const [kind, succeeded] = await queue.next();
    if (kind !== "repeated") throw new Error(`expected a number, received: ${kind}`);
    return { succeeded: Number(succeeded), failure: readStatus(await queue.next()) };
  }

  /** Opens a stream of requests and answers. */
  open<Output extends DescMessage>(method: InteropMethod<Output>, options?: InteropOptions): InteropStream<Output> {
    const id = this.#write("open", pathOf(method), textOf(options));
    return new InteropStream(method, this.#queue(id), (name, ...fields) => this.#send(name, id, ...fields));
  }

  #write(name: string, ...fields: readonly string[]): string {
    const id = String(this.#lines.size + 1);
    this.#lines.set(id, new Queue());
    this.#send(name, id, ...fields);
    return id;
  }

  #send(...fields: readonly string[]): void {
    this.#child.stdin.write(`${fields.join(" ")}\n`);
  }

  #queue(id: string): Queue<readonly string[]> {
    const queue = this.#lines.get(id);
    if (queue === undefined) throw new Error(`no call ${id}`);
    return queue;
  }
}

/** Open call. */
export class InteropStream<Output extends DescMessage> {
  /** Resolves when the call is over and all answers before have been read. */
  readonly ended: Promise<InteropStatus>;
  readonly #method: InteropMethod<Output>;
  readonly #answers = new Queue<MessageShape<Output> | null>();
  readonly #send: (name: string, ...fields: readonly string[]) => void;

  constructor(
    method: InteropMethod<Output>,
    lines: Queue<readonly string[]>,
    send: (name: string, ...fields: readonly string[]) => void,
  ) {
    this.#method = method;
    this.#send = send;
    this.ended = this.#read(lines);
    // The end of the test ends calls that it has left open.
    this.ended.catch(ignore);
  }

  send(request: object): void {
    this.#send("send", encode(this.#method, request));
  }

  /** Ends the requests. */
  end(): void {
    this.#send("end");
  }

  cancel(): void {
    this.#send("cancel");
  }

  /** Resolves with the next answer; with undefined when there is none. */
  async next(): Promise<MessageShape<Output> | undefined> {
    return (await this.#answers.next()) ?? undefined;
  }

  /** Resolves with all further answers. */
  async rest(): Promise<MessageShape<Output>[]> {
    const answers: MessageShape<Output>[] = [];
    for (let answer = await this.next(); answer !== undefined; answer = await this.next()) answers.push(answer);
    return answers;
  }

  async #read(lines: Queue<readonly string[]>): Promise<InteropStatus> {
    let line = await lines.next();
    for (; line[0] === "message"; line = await lines.next()) {
      this.#answers.push(fromBinary(this.#method.output, decode(line[1])));
    }
    this.#answers.push(null);
    return readStatus(line);
  }
}

function pathOf({ name, parent }: InteropMethod): string {
  return `/${parent.typeName}/${name}`;
}

function encode({ input }: InteropMethod, request: object): string {
  return toText(toBinary(input, create(input, request as never)));
}

function toText(bytes: Uint8Array | string): string {
  return Buffer.from(bytes as Uint8Array).toString("base64") || "-";
}

function decode(text = "-"): Buffer {
  return Buffer.from(text === "-" ? "" : text, "base64");
}

function textOf({ compression, deadline, metadata = {} }: InteropOptions = {}): string {
  const options = [
    ...(compression === undefined ? [] : [compression]),
    ...(deadline === undefined ? [] : [`deadline=${deadline}`]),
    ...Object.entries(metadata).map(([name, value]) => `metadata=${name}:${toText(value)}`),
  ];
  return options.join(",") || "-";
}

function readStatus([kind, code, message, details]: readonly string[]): InteropStatus {
  if (kind !== "status") throw new Error(`expected a status, received: ${kind}`);
  const status = decode(details);
  return {
    status: Number(code),
    // Servers may send a text with success, too, which some libraries report.
    message: code === "0" ? "" : decode(message).toString(),
    detail: status.length === 0 ? undefined : detailOfStatus(status).detail,
  };
}

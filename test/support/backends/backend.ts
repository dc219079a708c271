import { setImmediate } from "node:timers/promises";
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { BroadcastService, RequestSchema, ResponseSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { hashKey } from "../../../src/access/keys/key-secret.js";
import type { ConfigInput } from "../../../src/index.js";
import { cleanUp } from "../clean-up.js";
import { PATIENCE } from "../patience.js";
import { callersOf, type TestAnswer, type TestCaller, type TestHeaders } from "./mounts.js";

type Vhost = NonNullable<ConfigInput["vhosts"]>[string];
type Key = NonNullable<Vhost["keys"]>[number];

/** Addresses of a node. */
interface Ports {
  readonly http: string;
  readonly grpc: string;
}

/** Status codes of gRPC. */
export const STATUS = {
  ok: 0,
  invalidArgument: 3,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unauthenticated: 16,
} as const;

/** Key for the configuration, with a secret chosen by the test. */
export function configuredKey(secret: string, key: Partial<Key> & Pick<Key, "actions">): Key {
  return { name: secret, hash: `sha256:${hashKey(secret)}`, ...key };
}

/** Headers that present a key. */
export function bearer(secret: string): { readonly authorization: string } {
  return { authorization: `Bearer ${secret}` };
}

/** Backends that call a node by gRPC and by Connect-JSON. */
export function mountsOf(node: Ports): TestCaller[] {
  return callersOf(node).filter(({ name }) => name === "grpc" || name === "connect-json");
}

/** Backend that calls a node by Connect-JSON, always with the same headers. */
export class TestBackend {
  readonly #caller: TestCaller;
  readonly #headers: TestHeaders;

  constructor(node: Ports, headers: TestHeaders = {}) {
    const caller = mountsOf(node).find(({ name }) => name === "connect-json");
    if (caller === undefined) throw new Error("no caller");
    this.#caller = caller;
    this.#headers = headers;
  }

  ask<Output extends DescMessage>(
    method: DescMethodUnary<DescMessage, Output>,
    request: object = {},
  ): Promise<TestAnswer<MessageShape<Output>>> {
    return this.#caller.call(method, request, this.#headers);
  }

  /** Resolves with the answer. Rejects if the call is refused. */
  async call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
  ): Promise<MessageShape<Output>> {
    const { answer, message, status } = await this.ask(method, request);
    if (status !== STATUS.ok) throw new Error(`${method.name} was refused (${status}): ${message}`);
    return answer;
  }

  open<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodServerStreaming<Input, Output>,
    request: MessageInitShape<Input>,
  ): AsyncGenerator<MessageShape<Output>> {
    return this.#caller.open(method, request, this.#headers) as AsyncGenerator<MessageShape<Output>>;
  }

  /** Publishes a text on a topic. */
  async say(topic: string, payload: string): Promise<void> {
    await this.call(BroadcastService.method.publish, {
      messages: [{ topics: [topic], payload: Buffer.from(payload) }],
    });
  }
}

export interface GrpcBackendOptions {
  readonly grpc: string;
  readonly headers?: TestHeaders;
  /** Default: no TLS. */
  readonly channel?: ChannelCredentials;
}

/** Backend that calls by gRPC, optionally with TLS, including client streaming. */
export class GrpcBackend {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor({ channel = credentials.createInsecure(), grpc, headers = {} }: GrpcBackendOptions) {
    this.#client = new Client(grpc, channel, { "grpc.ssl_target_name_override": "localhost" });
    cleanUp(() => this.#client.close());
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name, value);
  }

  ask(method: DescMethodUnary, request: object): Promise<TestAnswer> {
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: object) => Buffer.from(toBinary(method.input, message as never)),
        (bytes) => fromBinary(method.output, bytes),
        create(method.input, request as never),
        this.#metadata,
        (error, answer) => resolve({ status: error?.code ?? 0, message: error?.details ?? "", answer }),
      );
    });
  }

  /** Publishes with a PublishStream of one request. */
  publishStream(topics: readonly string[]): Promise<TestAnswer> {
    return new Promise((resolve) => {
      const call = this.#client.makeBidiStreamRequest(
        `/${BroadcastService.typeName}/PublishStream`,
        (message: object) => Buffer.from(toBinary(RequestSchema, message as never)),
        (bytes) => fromBinary(ResponseSchema, bytes),
        this.#metadata,
      );
      const answers: object[] = [];
      call.on("data", (answer: object) => answers.push(answer));
      call.on("error", ({ code, details }: ServiceError) => {
        resolve({ status: code, message: details, answer: answers });
      });
      call.on("end", () => resolve({ status: 0, message: "", answer: answers }));
      call.write(create(RequestSchema, { messages: [{ topics: [...topics], payload: Buffer.from("x") }] }));
      call.end();
    });
  }
}

/** Repeats a call, one round trip after the other, until the answer is accepted. */
export async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean, patience = PATIENCE): Promise<T> {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > end) throw new Error(`it has not come to be: ${JSON.stringify(answer)}`);
    // An answer without input or output must not keep the event loop from those who are to bring it about.
    await setImmediate();
  }
}

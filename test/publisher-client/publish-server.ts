import { join } from "node:path";
import { loadPackageDefinition, Server, ServerCredentials, type ServerDuplexStream, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { cleanUp } from "../support/clean-up.js";

interface Request {
  readonly messages: readonly { readonly id: string; readonly text: string }[];
}

interface Response {
  readonly ok: boolean;
  readonly receipts: readonly { readonly id: string; readonly stage: string }[];
}

interface PublishServer {
  /** HOST:PORT */
  readonly address: string;
  /** Number of messages of each request. */
  readonly requests: readonly number[];
  /** Texts that were published. */
  readonly published: readonly string[];
  /** Number of streams that were opened. */
  readonly streams: number;
}

/**
 * Starts a stock gRPC server with PublishStream, which counts requests.
 * @param refuse - returns the text of a refusal of these texts; undefined to publish them
 */
export async function startPublishServer(
  refuse: (texts: readonly string[]) => string | undefined = () => undefined,
): Promise<PublishServer> {
  const requests: number[] = [];
  const published: string[] = [];
  let streams = 0;
  const publishStream = (call: ServerDuplexStream<Request, Response>): void => {
    streams += 1;
    let isRefused = false;
    call.on("data", ({ messages }: Request) => {
      if (isRefused) return;
      requests.push(messages.length);
      const texts = messages.map(({ text }) => text);
      const refusal = refuse(texts);
      if (refusal === undefined) {
        published.push(...texts);
        call.write({ ok: true, receipts: messages.map(({ id }) => ({ id, stage: "STAGE_FLUSHED" })) });
        return;
      }
      isRefused = true;
      call.emit("error", { code: status.PERMISSION_DENIED, details: refusal });
    });
    call.on("end", () => call.end());
  };
  const proto = loadSync(join(__dirname, "../../proto/websockets/v1/websockets.proto"), { enums: String });
  const { websockets } = loadPackageDefinition(proto) as unknown as {
    readonly websockets: { readonly v1: { readonly BroadcastService: { readonly service: never } } };
  };
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(websockets.v1.BroadcastService.service, { publishStream });
  cleanUp(() => {
    server.forceShutdown();
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    requests,
    published,
    get streams() {
      return streams;
    },
  };
}

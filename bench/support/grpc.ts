import { Client, credentials } from "@grpc/grpc-js";

export const ECHO_PATH = "/bench.Echo/Echo";
export const PUBLISH_PATH = "/websockets.v1.BroadcastService/Publish";
export const STREAM_PATH = "/websockets.v1.BroadcastService/PublishStream";

/** Returns the next encoded request; undefined when there are no more. */
export type Requests = () => Buffer | undefined;

/** Maximum number of unanswered requests of a stream. */
const STREAM_WINDOW = 128;

/** Serializer that leaves bytes unchanged. */
export const same = (bytes: Buffer): Buffer => bytes;

/** gRPC client for encoded messages, so that encoding is not measured. */
export class GrpcLoad {
  readonly #clients: readonly Client[];
  #calls = 0;

  /**
   * @param address - HOST:PORT of the server
   * @param connections - number of connections, which unary calls use in turn
   */
  constructor(address: string, connections = 1) {
    this.#clients = Array.from(
      { length: connections },
      () => new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 }),
    );
  }

  /** Makes concurrent unary calls, and calls `onAnswer` with each answer. */
  async unary(path: string, next: Requests, concurrency: number, onAnswer: (answer: Buffer) => void): Promise<void> {
    const lane = async (): Promise<void> => {
      for (let request = next(); request !== undefined; request = next()) onAnswer(await this.call(path, request));
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  }

  /** Sends requests on one stream, as many as the window and flow control allow. */
  stream(next: Requests, onAnswer: (answer: Buffer) => void): Promise<void> {
    const call = this.#nextClient().makeBidiStreamRequest(STREAM_PATH, same, same);
    let pending = 0;
    let blocked = false;
    let ended = false;
    const write = (): void => {
      while (!blocked && !ended && pending < STREAM_WINDOW) {
        const request = next();
        if (request === undefined) {
          ended = true;
          call.end();
          return;
        }
        pending += 1;
        blocked = !call.write(request);
      }
    };
    return new Promise((resolve, reject) => {
      call.on("drain", () => {
        blocked = false;
        write();
      });
      call.on("data", (answer: Buffer) => {
        pending -= 1;
        onAnswer(answer);
        write();
      });
      call.on("error", reject);
      call.on("end", resolve);
      write();
    });
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  /** Makes one unary call. @throws Error when the server refuses it */
  call(path: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#nextClient().makeUnaryRequest(path, same, same, request, (error, answer) => {
        if (error !== null || answer === undefined) reject(error ?? new Error("no answer"));
        else resolve(answer);
      });
    });
  }

  #nextClient(): Client {
    this.#calls += 1;
    const client = this.#clients[this.#calls % this.#clients.length];
    if (client === undefined) throw new Error("a load needs a connection");
    return client;
  }
}

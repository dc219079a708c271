import { Client, credentials } from "@grpc/grpc-js";

export const ECHO_PATH = "/bench.Echo/Echo";
export const PUBLISH_PATH = "/websockets.v1.BroadcastService/Publish";
export const STREAM_PATH = "/websockets.v1.BroadcastService/PublishStream";

/** Gives the next request, encoded; undefined when there are no more. */
export type Requests = () => Buffer | undefined;

/** Requests of a stream that wait for their answers. */
const STREAM_WINDOW = 128;

/** Bytes go as they are. */
export const same = (bytes: Buffer): Buffer => bytes;

/** A gRPC client that leaves encoding to whoever measures. */
export class GrpcLoad {
  readonly #client: Client;

  /** @param address - HOST:PORT */
  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure());
  }

  /** Unary calls, so many at a time, each answer given to `onAnswer`. */
  async unary(path: string, next: Requests, abreast: number, onAnswer: (answer: Buffer) => void): Promise<void> {
    const lane = async (): Promise<void> => {
      for (let request = next(); request !== undefined; request = next()) onAnswer(await this.#call(path, request));
    };
    await Promise.all(Array.from({ length: abreast }, lane));
  }

  /** One stream; as many requests under way as the window and the flow control let. */
  stream(next: Requests, onAnswer: (answer: Buffer) => void): Promise<void> {
    const call = this.#client.makeBidiStreamRequest(STREAM_PATH, same, same);
    let underWay = 0;
    let blocked = false;
    let ended = false;
    const write = (): void => {
      while (!blocked && !ended && underWay < STREAM_WINDOW) {
        const request = next();
        if (request === undefined) {
          ended = true;
          call.end();
          return;
        }
        underWay += 1;
        blocked = !call.write(request);
      }
    };
    return new Promise((resolve, reject) => {
      call.on("drain", () => {
        blocked = false;
        write();
      });
      call.on("data", (answer: Buffer) => {
        underWay -= 1;
        onAnswer(answer);
        write();
      });
      call.on("error", reject);
      call.on("end", resolve);
      write();
    });
  }

  close(): void {
    this.#client.close();
  }

  #call(path: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, same, same, request, (error, answer) => {
        if (error !== null || answer === undefined) reject(error ?? new Error("no answer"));
        else resolve(answer);
      });
    });
  }
}

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, type ClientDuplexStream, credentials, Metadata, status } from "@grpc/grpc-js";
import {
  WorkerService,
  type WorkRequest,
  WorkRequestSchema,
  type WorkResponse,
} from "../../gen/carillon/v1/worker_pb.js";
import { VHOST_HEADER } from "../access/keys/backend.js";
import { CarillonError, type ErrorCode, GRPC_STATUS } from "../errors.js";

/** Longest wait before reconnecting to an unreachable node, in milliseconds. gRPC's default of two minutes is too long for workers. */
const MAX_BACKOFF = 5_000;
/** Interval of pings and timeout of their answers, in milliseconds. They detect a failed node. */
const KEEPALIVE = { time: 15_000, timeout: 5_000 } as const;

export interface WorkerStreamOptions {
  /** HOST:PORT of a node's gRPC port. */
  readonly address: string;
  /** Undefined: no TLS. Without an authority, Node's are used. */
  readonly tls: WorkerStreamTls | undefined;
  readonly key: string | undefined;
  /** Undefined: the key's own vhost, or the default one. */
  readonly vhost: string | undefined;
}

export interface WorkerStreamTls {
  readonly ca?: string | Uint8Array | undefined;
  /** Client certificate in place of a key; `key` is its private key. Both in PEM. */
  readonly cert?: string | Uint8Array | undefined;
  readonly key?: string | Uint8Array | undefined;
}

export type WorkerStreamRequest = MessageInitShape<typeof WorkRequestSchema>;

/** Events of one stream. */
export interface WorkerStreamEvents {
  readonly onResponse: (response: WorkResponse) => void;
  /** Called once. @param failure - undefined: the stream ended with OK */
  readonly onEnd: (failure: CarillonError | undefined) => void;
}

/** Worker's side of one stream of WorkerService.Work. */
export interface WorkerStreamCall {
  /** @returns whether the connection accepts more; if not, wait for {@link drained} */
  send(request: WorkerStreamRequest): boolean;
  /** Resolves when the connection accepts more, or the stream has ended. */
  drained(): Promise<void>;
  /** Ends the stream at once. */
  cancel(): void;
}

/** Worker's connection to a node. */
export class WorkerStreamClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor({ address, key, tls, vhost }: WorkerStreamOptions) {
    this.#client = new Client(address, createCredentials(tls), {
      "grpc.max_reconnect_backoff_ms": MAX_BACKOFF,
      "grpc.keepalive_time_ms": KEEPALIVE.time,
      "grpc.keepalive_timeout_ms": KEEPALIVE.timeout,
      // The node bounds the size of tasks.
      "grpc.max_receive_message_length": -1,
    });
    if (key !== undefined) this.#metadata.set("authorization", `Bearer ${key}`);
    if (vhost !== undefined) this.#metadata.set(VHOST_HEADER, vhost);
  }

  open({ onEnd, onResponse }: WorkerStreamEvents): WorkerStreamCall {
    const { input, name, output, parent } = WorkerService.method.work;
    const call = this.#client.makeBidiStreamRequest(
      `/${parent.typeName}/${name}`,
      (message: WorkRequest) => Buffer.from(toBinary(input, message)),
      (bytes) => fromBinary(output, bytes),
      this.#metadata,
    );
    call.on("data", onResponse);
    call.on("error", () => {
      // The status event reports the error.
    });
    call.once("status", ({ code, details }) => {
      onEnd(code === status.OK ? undefined : toError(code, details));
    });
    return {
      send: (request) => call.write(create(WorkRequestSchema, request)),
      drained: () => drained(call),
      cancel: () => {
        call.cancel();
      },
    };
  }

  close(): void {
    this.#client.close();
  }
}

function createCredentials(tls: WorkerStreamTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(toBuffer(tls.ca), toBuffer(tls.key), toBuffer(tls.cert));
}

function toBuffer(pem: string | Uint8Array | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}

function drained(call: ClientDuplexStream<WorkRequest, WorkResponse>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("drain", done);
      call.off("status", done);
      resolve();
    };
    call.once("drain", done);
    call.once("status", done);
  });
}

function toError(number: number, details: string): CarillonError {
  const codes = Object.entries(GRPC_STATUS) as [ErrorCode, number][];
  const code = codes.find(([, candidate]) => candidate === number)?.[0] ?? "internal";
  return new CarillonError(code, details);
}

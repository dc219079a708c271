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

/** Milliseconds until a node that could not be reached is tried again; the usual two minutes are too long for workers. */
const LONGEST_BACKOFF = 5_000;
/** A node that is gone without a word is noticed after these, in milliseconds. */
const KEEPALIVE = { time: 15_000, timeout: 5_000 } as const;

export interface WorkerStreamOptions {
  /** HOST:PORT of a node's gRPC port. */
  readonly address: string;
  /** Undefined: without TLS. PEM; without an authority those of Node. */
  readonly tls: WorkerStreamTls | undefined;
  readonly key: string | undefined;
  /** Undefined: the key's own, or the default one. */
  readonly vhost: string | undefined;
}

export interface WorkerStreamTls {
  readonly ca?: string | Uint8Array | undefined;
  /** The client's certificate, in place of a key, and what belongs to it. */
  readonly cert?: string | Uint8Array | undefined;
  readonly key?: string | Uint8Array | undefined;
}

export type WorkerStreamRequest = MessageInitShape<typeof WorkRequestSchema>;

/** Told of one stream. */
export interface WorkerStreamEvents {
  readonly onResponse: (response: WorkResponse) => void;
  /** Once. @param failure - undefined: it has ended well */
  readonly onEnd: (failure: CarillonError | undefined) => void;
}

/** One stream of WorkerService.Work, as a worker has it. */
export interface WorkerStreamCall {
  /** @returns whether the connection takes more; if not, {@link drained} tells when */
  send(request: WorkerStreamRequest): boolean;
  /** Resolves when the connection takes more, or the stream has ended. */
  drained(): Promise<void>;
  /** Ends it at once. */
  cancel(): void;
}

/** A worker's connection to a node. */
export class WorkerStreamClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor({ address, key, tls, vhost }: WorkerStreamOptions) {
    this.#client = new Client(address, credentialsOf(tls), {
      "grpc.max_reconnect_backoff_ms": LONGEST_BACKOFF,
      "grpc.keepalive_time_ms": KEEPALIVE.time,
      "grpc.keepalive_timeout_ms": KEEPALIVE.timeout,
      // Tasks are as large as the node lets them be.
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
      // The status tells.
    });
    call.once("status", ({ code, details }) => {
      onEnd(code === status.OK ? undefined : errorOf(code, details));
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

function credentialsOf(tls: WorkerStreamTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(bufferOf(tls.ca), bufferOf(tls.key), bufferOf(tls.cert));
}

function bufferOf(pem: string | Uint8Array | undefined): Buffer | null {
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

function errorOf(number: number, details: string): CarillonError {
  const codes = Object.entries(GRPC_STATUS) as [ErrorCode, number][];
  const code = codes.find(([, candidate]) => candidate === number)?.[0] ?? "internal";
  return new CarillonError(code, details);
}

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, Metadata, status } from "@grpc/grpc-js";
import {
  WorkerService,
  type WorkRequest,
  WorkRequestSchema,
  type WorkResponse,
} from "../../gen/carillon/v1/worker_pb.js";
import { VHOST_HEADER } from "../access/keys/backend.js";
import type { CarillonError } from "../errors.js";
import { createCredentials, fromGrpcStatus, type GrpcClientTls } from "./grpc-client.js";

/** Longest wait before reconnecting to an unreachable node, in milliseconds. gRPC's default of two minutes is too long for workers. */
const MAX_BACKOFF = 5_000;
/** Interval of pings and timeout of their answers, in milliseconds. They detect a failed node. */
const KEEPALIVE = { time: 15_000, timeout: 5_000 } as const;

export interface WorkerStreamOptions {
  /** HOST:PORT of a node's gRPC port. */
  readonly address: string;
  /** Undefined: no TLS. */
  readonly tls: GrpcClientTls | undefined;
  readonly key: string | undefined;
  /** Undefined: the key's own vhost, or the default one. */
  readonly vhost: string | undefined;
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
      onEnd(code === status.OK ? undefined : fromGrpcStatus(code, details));
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

import { join } from "node:path";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  type ClientDuplexStream,
  credentials,
  type Client as GrpcClient,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { BroadcastService, type Response, Stage } from "../../../gen/websockets/v1/websockets_pb.js";
import { cleanUp } from "../clean-up.js";
import type { TestNode } from "../nodes/node.js";

export interface PeerMessage {
  readonly command?: string;
  readonly topics?: readonly string[];
  readonly payload?: Uint8Array;
  readonly broker?: string;
  readonly event?: string;
  readonly id?: string;
  readonly text?: string;
}

export type PeerMethod = "Publish" | "PublishAsync";

/** Outcome of a publish, in the same terms for every protocol. Status codes are gRPC's; stages are the enum's names. */
export interface PeerAnswer {
  readonly status: number;
  readonly message: string;
  readonly receipts: readonly PeerReceipt[];
}

/** Receipt without empty members, in which the clients differ. */
export interface PeerReceipt extends Partial<StoredFields> {
  readonly id: string;
  readonly stage: string;
}

interface StoredFields {
  readonly position: string;
  readonly duplicate: boolean;
  readonly topics: readonly { readonly topic: string; readonly position: string; readonly duplicate: boolean }[];
}

function toPeerReceipt({ duplicate, id, position, stage, topics = [] }: PeerReceipt): PeerReceipt {
  return {
    id,
    stage,
    ...(position !== undefined && position !== "" && { position }),
    ...(duplicate === true && { duplicate }),
    ...(topics.length > 0 && {
      topics: topics.map((one) => ({ topic: one.topic, position: one.position, duplicate: one.duplicate })),
    }),
  };
}

/** Stock client of one protocol. */
export interface Peer {
  readonly name: "grpc" | "connect" | "connect-json" | "grpc-web" | "fetch";
  publish(messages: readonly PeerMessage[], method?: PeerMethod): Promise<PeerAnswer>;
}

/** Connects a client of each kind to the node. They are closed after the test. */
export function peersOf(node: TestNode): Peer[] {
  const baseUrl = node.http;
  return [
    grpcPeer(grpcClient(node)),
    connectPeer("connect", createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true })),
    connectPeer("connect-json", createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false })),
    connectPeer("grpc-web", createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })),
    fetchPeer(node),
  ];
}

export interface GrpcRequest {
  readonly messages: readonly PeerMessage[];
}

interface GrpcAnswer {
  readonly ok: boolean;
  readonly receipts: readonly PeerReceipt[];
}

type Callback = (error: ServiceError | null, answer?: GrpcAnswer) => void;

/** Client that @grpc/grpc-js creates from the .proto file at run time. */
export type BroadcastClient = GrpcClient & {
  Publish(request: GrpcRequest, options: object, callback: Callback): { cancel(): void };
  PublishAsync(request: GrpcRequest, options: object, callback: Callback): { cancel(): void };
  PublishStream(options?: object): ClientDuplexStream<GrpcRequest, GrpcAnswer>;
};

export const PROTO_FOLDER = join(__dirname, "../../../proto");

/** Client created from nothing but the .proto file. */
export function grpcClient(node: TestNode, options: object = {}): BroadcastClient {
  const definition = loadSync("websockets/v1/websockets.proto", {
    includeDirs: [PROTO_FOLDER],
    enums: String,
    defaults: true,
  });
  const loaded = loadPackageDefinition(definition) as unknown as {
    websockets: { v1: { BroadcastService: ServiceClientConstructor } };
  };
  const client = new loaded.websockets.v1.BroadcastService(node.grpc, credentials.createInsecure(), options);
  cleanUp(() => client.close());
  return client as unknown as BroadcastClient;
}

export function grpcPeer(client: BroadcastClient): Peer {
  return {
    name: "grpc",
    publish: (messages, method = "Publish") =>
      new Promise((resolve) => {
        client[method]({ messages }, {}, (error, answer) => {
          resolve({
            status: error?.code ?? 0,
            message: error?.details ?? "",
            receipts: (answer?.receipts ?? []).map(toPeerReceipt),
          });
        });
      }),
  };
}

function connectPeer(name: Peer["name"], transport: Transport): Peer {
  const client: Client<typeof BroadcastService> = createClient(BroadcastService, transport);
  return {
    name,
    publish: async (messages, method = "Publish") => {
      const request = { messages: messages.map((message) => ({ ...message, topics: [...(message.topics ?? [])] })) };
      try {
        const { receipts }: Response = await client[method === "Publish" ? "publish" : "publishAsync"](request);
        return {
          status: 0,
          message: "",
          receipts: receipts.map(({ stage, ...rest }) => toPeerReceipt({ ...rest, stage: `STAGE_${Stage[stage]}` })),
        };
      } catch (cause) {
        const { code, rawMessage } = ConnectError.from(cause);
        return { status: code, message: rawMessage, receipts: [] };
      }
    },
  };
}

/** Client without a library, like `curl`. */
function fetchPeer(node: TestNode): Peer {
  return {
    name: "fetch",
    publish: async (messages, method = "Publish") => {
      const body = messages.map(({ payload, ...rest }) => ({
        ...rest,
        ...(payload === undefined ? {} : { payload: Buffer.from(payload).toString("base64") }),
      }));
      const response = await fetch(`${node.http}/websockets.v1.BroadcastService/${method}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ messages: body }),
      });
      return jsonAnswer(await response.json());
    },
  };
}

/** Reads the body of a Connect-JSON answer. */
export function jsonAnswer(json: unknown): PeerAnswer {
  const { code, message, receipts } = json as Partial<PeerAnswer> & { code?: string };
  return { status: code === undefined ? 0 : statusOf(code), message: message ?? "", receipts: receipts ?? [] };
}

/** Converts a Connect code such as `not_found` to gRPC's status code. */
export function statusOf(code: string): number {
  const name = code.replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
  const status = Code[name as keyof typeof Code];
  if (status === undefined) throw new Error(`no Connect code is called ${code}`);
  return status;
}

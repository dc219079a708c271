import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { HookService } from "../../../gen/carillon/v1/hook_pb.js";
import type {
  ConnectHookRequest,
  DisconnectHookEvent,
  HookCaller,
  JoinHookRequest,
  PublishHookRequest,
  UncheckedHttpRefusal,
  UncheckedRefusal,
  Verdict,
} from "../../access/hooks/hook-caller.js";
import type { TraceCall, UnaryCalls } from "./hook-calls.js";
import { ConnectUnary } from "./hook-connect.js";
import { GrpcUnary } from "./hook-grpc.js";
import {
  readConnectVerdict,
  readVerdict,
  toConnectRequest,
  toDisconnectRequest,
  toJoinRequest,
  toPublishRequest,
} from "./hook-messages.js";

export interface HookClientOptions {
  /** `grpc://HOST:PORT`, `grpcs://HOST:PORT`, `http://…` or `https://…`. */
  readonly url: string;
  /** Key that is sent as `authorization: Bearer …`, so that the backend can authenticate this server. */
  readonly key?: string | undefined;
  /** Undefined if traces are not recorded. */
  readonly traceCall?: TraceCall | undefined;
}

const { onConnect, onDisconnect, onJoin, onPublish } = HookService.method;

/** Calls a backend that implements carillon.v1.HookService, by gRPC or by Connect with JSON, depending on its URL. */
export class HookClient implements HookCaller {
  readonly #calls: UnaryCalls;
  readonly #traceCall: TraceCall | undefined;

  constructor({ key, traceCall, url }: HookClientOptions) {
    this.#traceCall = traceCall;
    const authorization = key === undefined ? undefined : `Bearer ${key}`;
    this.#calls = /^grpcs?:/.test(url) ? new GrpcUnary(url, authorization) : new ConnectUnary(url, authorization);
  }

  async connect(question: ConnectHookRequest, signal: AbortSignal): Promise<Verdict<UncheckedHttpRefusal>> {
    return readConnectVerdict(await this.#call(onConnect, toConnectRequest(question), signal));
  }

  async join(question: JoinHookRequest, signal: AbortSignal): Promise<Verdict<UncheckedRefusal>> {
    return readVerdict(await this.#call(onJoin, toJoinRequest(question), signal));
  }

  async publish(question: PublishHookRequest, signal: AbortSignal): Promise<Verdict<UncheckedRefusal>> {
    return readVerdict(await this.#call(onPublish, toPublishRequest(question), signal));
  }

  async disconnect(event: DisconnectHookEvent, signal: AbortSignal): Promise<void> {
    await this.#call(onDisconnect, toDisconnectRequest(event), signal);
  }

  close(): void {
    this.#calls.close();
  }

  #call<Input extends DescMessage, Output extends DescMessage>(
    method: DescMethodUnary<Input, Output>,
    request: MessageInitShape<Input>,
    signal: AbortSignal,
  ): Promise<MessageShape<Output>> {
    if (this.#traceCall === undefined) return this.#calls.call(method, request, { signal, headers: {} });
    return this.#traceCall(`${method.parent.typeName}/${method.name}`, (headers) =>
      this.#calls.call(method, request, { signal, headers }),
    );
  }
}

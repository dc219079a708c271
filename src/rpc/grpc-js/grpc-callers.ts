import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import type { BackendAction } from "../../access/decide/actions.js";
import { type Backend, type BackendCredentials, backendId, VHOST_HEADER } from "../../access/keys/backend.js";
import { getCertificateSubject } from "../../net/certificate-subject.js";
import type { CallAuthorizer } from "../call-authorizer.js";
import { type OnFault, toCallerError } from "../faults.js";
import type { GrpcGate } from "./grpc-gate.js";
import type { GrpcRequest } from "./grpc-request.js";
import { grpcStatus } from "./grpc-status.js";

/** Admitted backend with its request. */
export interface GrpcCaller {
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  readonly request: GrpcRequest;
}

const CALLER = Symbol("caller");

/** Metadata that carries the caller. Both the interceptor and the method's handler see it. */
type CallMetadata = Metadata & { [CALLER]?: GrpcCaller };

/** Paths, besides those of the services, that any known backend may call. */
const REFLECTION = "/grpc.reflection.";

type NextCall = ConstructorParameters<typeof ServerInterceptingCall>[0];
type Listener = Parameters<NextCall["start"]>[0];

/**
 * Checks each call when its metadata arrives. The request of a refused caller is not read. The health service is open to
 * everyone.
 */
export class GrpcCallers {
  readonly #authorizer: CallAuthorizer;
  readonly #gate: GrpcGate;
  readonly #tls: boolean;
  readonly #onFault: OnFault;
  readonly #actions = new Map<string, BackendAction>();

  /** @param tls - whether callers can present certificates, which are costly to look up for each call */
  constructor(authorizer: CallAuthorizer, gate: GrpcGate, tls: boolean, onFault: OnFault) {
    this.#authorizer = authorizer;
    this.#gate = gate;
    this.#tls = tls;
    this.#onFault = onFault;
  }

  /** Declares the action that calls of a method need. */
  require(path: string, action: BackendAction): void {
    this.#actions.set(path, action);
  }

  /** @param metadata - of a call of one of the services */
  of(metadata: CallMetadata): GrpcCaller {
    const caller = metadata[CALLER];
    if (caller === undefined) throw new Error("the call has bypassed the interceptor");
    return caller;
  }

  readonly intercept: ServerInterceptor = ({ path }, call) => {
    const action = this.#actions.get(path);
    const isChecked = action !== undefined || path.startsWith(REFLECTION);
    const request = this.#gate.openingRequest;
    if (request === undefined) throw new Error("the call has bypassed the gate");
    request.attach((cause) => call.sendStatus(grpcStatus(toCallerError(cause, this.#onFault))));
    // Calls of open services pass unchecked.
    const admit = isChecked ? (metadata: CallMetadata) => this.#admit(call, metadata, request, action) : admitUnchecked;
    return new CheckedCall(call, request, admit);
  };

  #admit(call: NextCall, metadata: CallMetadata, request: GrpcRequest, action: BackendAction | undefined): boolean {
    const credentials: BackendCredentials = {
      authorization: readText(metadata, "authorization"),
      certificate: this.#tls ? getCertificateSubject(call.getAuthContext().sslPeerCertificate) : undefined,
      vhost: readText(metadata, VHOST_HEADER),
    };
    try {
      const backend = this.#authorizer.admit(credentials, action);
      request.admit(backendId(backend));
      metadata[CALLER] = { backend, credentials, request };
      return true;
    } catch (cause) {
      request.refuse(cause);
      return false;
    }
  }
}

/** Forwards everything directly. A responder and a listener of @grpc/grpc-js would cost several closures per message. */
class CheckedCall extends ServerInterceptingCall {
  readonly #next: NextCall;
  readonly #request: GrpcRequest;
  readonly #admit: (metadata: Metadata) => boolean;

  constructor(next: NextCall, request: GrpcRequest, admit: (metadata: Metadata) => boolean) {
    super(next);
    this.#next = next;
    this.#request = request;
    this.#admit = admit;
  }

  override start(listener: Listener): void {
    this.#next.start(new CheckedListener(listener, this.#request, this.#admit));
  }

  override startRead(): void {
    this.#next.startRead();
    this.#request.read();
  }

  override sendMetadata(metadata: Metadata): void {
    this.#next.sendMetadata(metadata);
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#next.sendMessage(message, callback);
    this.#request.watchAnswer();
  }

  override sendStatus(status: Parameters<NextCall["sendStatus"]>[0]): void {
    this.#request.stop();
    this.#next.sendStatus(status);
    this.#request.watchAnswer();
  }
}

class CheckedListener implements Listener {
  readonly #next: Listener;
  readonly #request: GrpcRequest;
  readonly #admit: (metadata: Metadata) => boolean;
  #refused = false;

  constructor(next: Listener, request: GrpcRequest, admit: (metadata: Metadata) => boolean) {
    this.#next = next;
    this.#request = request;
    this.#admit = admit;
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#refused = !this.#admit(metadata);
    if (!this.#refused) this.#next.onReceiveMetadata(metadata);
  }

  onReceiveMessage(message: unknown): void {
    if (!this.#refused) this.#next.onReceiveMessage(message);
  }

  onReceiveHalfClose(): void {
    if (!this.#refused) this.#next.onReceiveHalfClose();
  }

  onCancel(): void {
    this.#request.stop();
    if (!this.#refused) this.#next.onCancel();
  }
}

function admitUnchecked(): boolean {
  return true;
}

/** Returns metadata as text. Its name must not end in `-bin`. */
function readText(metadata: Metadata, name: string): string | undefined {
  return metadata.get(name)[0]?.toString();
}

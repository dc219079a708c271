import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import type { BackendAction } from "../../access/decide/actions.js";
import { type Backend, type BackendCredentials, backendId, VHOST_HEADER } from "../../access/keys/backend.js";
import { getCertificateSubject } from "../../net/certificate-subject.js";
import { answerable, type OnFault } from "../faults.js";
import type { Gatekeeper } from "../gatekeeper.js";
import type { GrpcGate } from "./grpc-gate.js";
import type { GrpcRequest } from "./grpc-request.js";
import { grpcStatus } from "./grpc-status.js";

/** A backend that has been let in, and by what. */
export interface GrpcCaller {
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  readonly request: GrpcRequest;
}

const CALLER = Symbol("caller");

/** The metadata is what the interceptor and the method's handler both see of a call: it carries who calls. */
type CallMetadata = Metadata & { [CALLER]?: GrpcCaller };

/** What may be called by whoever is known, besides the services. */
const REFLECTION = "/grpc.reflection.";

type NextCall = ConstructorParameters<typeof ServerInterceptingCall>[0];
type Listener = Parameters<NextCall["start"]>[0];

/**
 * Decides each call when its metadata is there: a caller that is refused is not read from. The health service is
 * everybody's.
 */
export class GrpcCallers {
  readonly #gatekeeper: Gatekeeper;
  readonly #gate: GrpcGate;
  readonly #tls: boolean;
  readonly #onFault: OnFault;
  readonly #actions = new Map<string, BackendAction>();

  /** @param tls - whether callers can show certificates: asking each call for one is not cheap */
  constructor(gatekeeper: Gatekeeper, gate: GrpcGate, tls: boolean, onFault: OnFault) {
    this.#gatekeeper = gatekeeper;
    this.#gate = gate;
    this.#tls = tls;
    this.#onFault = onFault;
  }

  /** From now on the method needs the action. */
  require(path: string, action: BackendAction): void {
    this.#actions.set(path, action);
  }

  /** @param metadata - of a call of one of the services */
  of(metadata: CallMetadata): GrpcCaller {
    const caller = metadata[CALLER];
    if (caller === undefined) throw new Error("a call came past the interceptor");
    return caller;
  }

  readonly intercept: ServerInterceptor = ({ path }, call) => {
    const action = this.#actions.get(path);
    const decided = action !== undefined || path.startsWith(REFLECTION);
    const request = this.#gate.opening;
    if (request === undefined) throw new Error("a call came past the gate");
    request.attach((cause) => call.sendStatus(grpcStatus(answerable(cause, this.#onFault))));
    // Where there is nothing to decide the call goes on as it is.
    const admit = decided ? (metadata: CallMetadata) => this.#admit(call, metadata, request, action) : admitted;
    return new DecidedCall(call, request, admit);
  };

  #admit(call: NextCall, metadata: CallMetadata, request: GrpcRequest, action: BackendAction | undefined): boolean {
    const credentials: BackendCredentials = {
      authorization: textOf(metadata, "authorization"),
      certificate: this.#tls ? getCertificateSubject(call.getAuthContext().sslPeerCertificate) : undefined,
      vhost: textOf(metadata, VHOST_HEADER),
    };
    try {
      const backend = this.#gatekeeper.admit(credentials, action);
      request.admit(backendId(backend));
      metadata[CALLER] = { backend, credentials, request };
      return true;
    } catch (cause) {
      request.refuse(cause);
      return false;
    }
  }
}

/** Hands everything on at once: what @grpc/grpc-js makes of a responder and a listener costs some closures a message. */
class DecidedCall extends ServerInterceptingCall {
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
    this.#next.start(new DecidedListener(listener, this.#request, this.#admit));
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
    this.#request.sending();
  }

  override sendStatus(status: Parameters<NextCall["sendStatus"]>[0]): void {
    this.#request.stop();
    this.#next.sendStatus(status);
    this.#request.sending();
  }
}

class DecidedListener implements Listener {
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

function admitted(): boolean {
  return true;
}

/** Metadata whose names do not end in `-bin` is text. */
function textOf(metadata: Metadata, name: string): string | undefined {
  return metadata.get(name)[0]?.toString();
}

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type Backend, type BackendCredentials, backendId } from "../../access/keys/backend.js";
import type { ByteBudget, ByteLease } from "../../net/byte-budget.js";
import { getCertificateSubject } from "../../net/certificate-subject.js";
import type { ContinueTrace } from "../../net/http-handler.js";
import { normalizeIpAddress } from "../../net/ip-address.js";
import type { CallAuthorizer } from "../call-authorizer.js";
import type { OnFault } from "../faults.js";
import type { OverdueRequests } from "../grpc/overdue-requests.js";
import type { UnreadCalls } from "../grpc/unread-calls.js";
import type { CallDeadlines } from "./call-deadlines.js";
import type { AcceptedHead } from "./call-head.js";
import type { WatchingCalls } from "./watching-calls.js";

/** Services that all calls of a port share. */
export interface CallHost {
  readonly authorizer: CallAuthorizer;
  readonly budget: ByteBudget;
  readonly overdue: OverdueRequests;
  readonly unread: UnreadCalls;
  readonly deadlines: CallDeadlines;
  readonly watching: WatchingCalls;
  readonly onFault: OnFault;
  /** Undefined if traces are not recorded. */
  readonly continueTrace: ContinueTrace | undefined;
}

/** Peer of a connection: its address, its certificate, and the credentials of its latest call. */
export class CallPeer {
  readonly host: CallHost;
  readonly #address: string;
  readonly #socket: Socket;
  #head: AcceptedHead | undefined;
  #credentials: BackendCredentials | undefined;

  /** @param socket - after TLS, with the peer's address */
  constructor(host: CallHost, socket: Socket) {
    this.host = host;
    this.#address = normalizeIpAddress(socket.remoteAddress ?? "") ?? "";
    this.#socket = socket;
  }

  /** Returns the credentials of a call. Successive calls with equal headers share them. */
  credentialsOf(head: AcceptedHead): BackendCredentials {
    if (this.#credentials === undefined || this.#head !== head) {
      const { authorization, vhost } = head;
      this.#head = head;
      this.#credentials = { authorization, certificate: readCertificate(this.#socket), vhost };
    }
    return this.#credentials;
  }

  /** Opens a lease for the bytes of a request. @param backend - undefined: the caller is not known */
  openLease(backend: Backend | undefined): ByteLease {
    const key = backend === undefined ? undefined : backendId(backend);
    return this.host.budget.open({ address: this.#address, key });
  }
}

/** Returns the subject of the verified certificate, which is parsed once for each connection; undefined without one. */
function readCertificate(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  // Without a certificate it is an empty object.
  return "raw" in certificate ? getCertificateSubject(certificate) : undefined;
}

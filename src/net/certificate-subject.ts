import { X509Certificate } from "node:crypto";
import { TLSSocket } from "node:tls";

/** A peer's certificate as node:tls and @grpc/grpc-js tell it. */
interface PeerCertificate {
  readonly raw: Buffer;
}

const subjects = new WeakMap<PeerCertificate, string>();

/**
 * The subject of a verified certificate as `CN=worker,O=Acme`: most specific first, special characters escaped as RFC
 * 2253 says, so that a comma in a name cannot be taken for the next part.
 * @param certificate - the same object gets its answer without work: see {@link rememberCertificate}
 * @returns undefined for no certificate
 */
export function certificateSubject(certificate: PeerCertificate | undefined): string | undefined {
  if (certificate === undefined) return undefined;
  let subject = subjects.get(certificate);
  if (subject === undefined) {
    subject = subjectOf(certificate.raw);
    subjects.set(certificate, subject);
  }
  return subject;
}

/** Makes a socket give the same object each time that it is asked for its peer's certificate, and take it apart once. */
export function rememberCertificate(socket: TLSSocket): void {
  const certificate = TLSSocket.prototype.getPeerCertificate.call(socket, false);
  Object.defineProperty(socket, "getPeerCertificate", { value: () => certificate });
}

/** Node writes one part a line, from the most general on; a line break in a name is escaped too. */
function subjectOf(raw: Buffer): string {
  return new X509Certificate(raw).subject.split("\n").toReversed().join(",");
}

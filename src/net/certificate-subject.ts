import { X509Certificate } from "node:crypto";
import { TLSSocket } from "node:tls";

/** A peer's certificate in the form of node:tls and @grpc/grpc-js. */
interface PeerCertificate {
  readonly raw: Buffer;
}

const subjects = new WeakMap<PeerCertificate, string>();

/**
 * Returns the subject of a verified certificate, such as `CN=worker,O=Acme`: most specific part first, special characters
 * escaped according to RFC 2253, so that a comma in a name does not begin another part. Subjects are cached by
 * certificate object; see {@link rememberCertificate}.
 * @returns undefined without a certificate
 */
export function getCertificateSubject(certificate: PeerCertificate | undefined): string | undefined {
  if (certificate === undefined) return undefined;
  let subject = subjects.get(certificate);
  if (subject === undefined) {
    subject = formatSubject(certificate.raw);
    subjects.set(certificate, subject);
  }
  return subject;
}

/** Makes `getPeerCertificate` of a socket return the same object each time, so that it is parsed only once. */
export function rememberCertificate(socket: TLSSocket): void {
  const certificate = TLSSocket.prototype.getPeerCertificate.call(socket, false);
  Object.defineProperty(socket, "getPeerCertificate", { value: () => certificate });
}

/** Formats a subject. Node writes one part per line, most general first, and escapes line breaks in names. */
function formatSubject(raw: Buffer): string {
  return new X509Certificate(raw).subject.split("\n").toReversed().join(",");
}

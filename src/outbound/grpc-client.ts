import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { CarillonError, type CarillonErrorOptions, type ErrorCode, GRPC_STATUS } from "../errors.js";

/** Text of the error when a connection ends during a call. */
export const CONNECTION_LOST = "the server closed the connection before its answer was complete";

/** TLS of a client. Without an authority, Node's are used. All values are PEM. */
export interface GrpcClientTls {
  readonly ca?: string | Uint8Array | undefined;
  /** Client certificate in place of a key; `key` is its private key. */
  readonly cert?: string | Uint8Array | undefined;
  readonly key?: string | Uint8Array | undefined;
}

/** @param tls - undefined: no TLS */
export function createCredentials(tls: GrpcClientTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  return credentials.createSsl(toBuffer(tls.ca), toBuffer(tls.key), toBuffer(tls.cert));
}

function toBuffer(pem: string | Uint8Array | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}

/** Converts the status of a failed call to an error; an unknown status becomes `internal`. */
export function fromGrpcStatus(status: number, details: string, options: CarillonErrorOptions): CarillonError {
  const codes = Object.entries(GRPC_STATUS) as [ErrorCode, number][];
  const code = codes.find(([, candidate]) => candidate === status)?.[0] ?? "internal";
  return new CarillonError(code, details, options);
}

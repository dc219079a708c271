/** Addresses and credentials of a NATS server or cluster. Certificates and keys of `tls` are files in PEM. */
export interface NatsOptions {
  /**
   * Servers of the cluster, as `nats://host:port` or `tls://host:port`. A single `tls://` requires TLS for all of them.
   * `user:password@` or `token@` before a host is used when no other credentials are given.
   */
  readonly servers: readonly string[];
  /** First token or tokens of every subject. */
  readonly prefix: string;
  /** Name of this node's connection in NATS monitoring. */
  readonly clientName: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** File with the password; instead of `password`. */
  readonly passwordFile?: string | undefined;
  readonly token?: string | undefined;
  /** File with the token; instead of `token`. */
  readonly tokenFile?: string | undefined;
  /** File with an nkey seed (`SU…`). */
  readonly nkeyFile?: string | undefined;
  /** File with a JWT and a seed, in the format of `nsc`. */
  readonly credsFile?: string | undefined;
  readonly tls?:
    | {
        readonly caFile?: string | undefined;
        readonly certFile?: string | undefined;
        readonly keyFile?: string | undefined;
      }
    | undefined;
  /** Maximum number of bytes sent and not confirmed. */
  readonly pendingBytes: number;
  /** Maximum wait for a confirmation, in milliseconds. */
  readonly confirmTimeout: number;
}

/** How to reach and enter a NATS server or cluster. Paths are files in PEM, or of the NATS kind that their name says. */
export interface NatsOptions {
  /**
   * `nats://host:port` or `tls://host:port`, any servers of the cluster. One `tls://` among them, and no server is
   * spoken to in the clear. `user:password@` or `token@` before a host is used where no other way to enter is given.
   */
  readonly servers: readonly string[];
  /** First token or tokens of every subject. */
  readonly prefix: string;
  /** The name that NATS shows for this node's connection. */
  readonly clientName: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  /** File that holds an nkey seed (`SU…`). */
  readonly nkeyFile?: string | undefined;
  /** File with a JWT and a seed, as `nsc` writes it. */
  readonly credsFile?: string | undefined;
  readonly tls?:
    | {
        readonly caFile?: string | undefined;
        readonly certFile?: string | undefined;
        readonly keyFile?: string | undefined;
      }
    | undefined;
  /** Bytes that may be sent and not confirmed. */
  readonly pendingBytes: number;
  /** Milliseconds that NATS may take to confirm. */
  readonly confirmTimeout: number;
}

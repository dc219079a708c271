/** Where a node can be reached. */
export interface Addresses {
  /** URL of the HTTP port, such as `http://127.0.0.1:8080`. */
  readonly http: string;
  /** HOST:PORT of the gRPC port. */
  readonly grpc: string;
  /** URL of the listener for health and metrics; undefined where they are on the HTTP port. */
  readonly admin: string | undefined;
  /** HOST:PORT of WebRocket's backends; undefined where they have no port. */
  readonly webrocketBackend: string | undefined;
  /** URL of WebRocket's admin interface; undefined where it has no port. */
  readonly webrocketAdmin: string | undefined;
  /** URLs of the listeners for RoadRunner's RPC, such as `tcp://127.0.0.1:6002`, in the order configured. */
  readonly roadrunner: readonly string[];
}

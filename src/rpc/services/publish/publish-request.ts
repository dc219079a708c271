/** Request as the implementation reads it. The generated type is assignable to it. */
export interface PublishRequest {
  readonly messages: readonly PublishMessage[];
}

export interface PublishMessage {
  readonly command: string;
  readonly topics: readonly string[];
  readonly payload: Uint8Array;
  readonly broker: string;
  readonly event: string;
  readonly id: string;
  /** Payload as text; "" for none. */
  readonly text: string;
}

/** Receives what a peer sends on one stream. The connection calls the methods within {@link Http2Connection.receive}. */
export interface StreamReceiver {
  /**
   * Receives a piece of the body. It counts towards the windows of the stream and of the connection until it is passed to
   * {@link ServerStream.consume}.
   * @param chunk - a view of the bytes that were read from the socket; copy it to keep it for long
   */
  onData(chunk: Buffer): void;
  /** The peer has ended its side of the stream. Trailers are checked and discarded. */
  onEnd(): void;
  /** Everything that was sent has left the stream, after {@link ServerStream.send} had returned false. */
  onDrain(): void;
  /**
   * The stream is over. Called exactly once, last.
   * @param code - error code of RFC 9113, section 7; undefined: both sides have ended in order
   */
  onClose(code: number | undefined): void;
}

/** Stream of a connection, as the services above HTTP/2 see it: one request and its answer. */
export interface ServerStream {
  readonly id: number;
  /** True when nothing more can be sent: the answer has ended, or the stream is over. */
  readonly isClosed: boolean;
  /** Bytes given to {@link send} that wait for the peer's windows or for the socket. */
  readonly pendingBytes: number;
  /** During {@link StreamReceiver.onData}: whether the request ends with this piece. */
  readonly isLastPiece: boolean;
  /**
   * Sends the header fields of the answer. Nothing happens once the stream is closed.
   * @param block - of {@link encodeHeaders}
   * @param end - whether the answer has neither body nor trailers; default: false
   */
  respond(block: Buffer, end?: boolean): void;
  /**
   * Sends a piece of the body, as one or two parts. What cannot be sent at once is kept, so the buffers must not change. Nothing
   * happens once the stream is closed.
   * @returns false if bytes wait; {@link StreamReceiver.onDrain} follows when they have left
   */
  send(first: Buffer, second?: Buffer): boolean;
  /**
   * Ends the answer after everything that was sent. Nothing happens once the stream is closed.
   * @param block - trailers, of {@link encodeHeaders}; default: none
   */
  end(block?: Buffer): void;
  /**
   * Resets the stream. What waits is discarded.
   * @param code - of {@link Http2Code}; default: CANCEL
   */
  reset(code?: number): void;
  /**
   * Calls back once, when the connection is about to write: after what was received together has been passed on, as far as there
   * is room for answers, and once the socket accepts more. A stream has one callback: a later one replaces it. Never called once
   * the stream is over.
   * @param callback - must not throw
   */
  beforeWrite(callback: () => void): void;
  /** Returns received bytes to the windows, so that the peer may send as many more. */
  consume(bytes: number): void;
  /**
   * Returns received bytes to the window of the connection, so that a stream whose requests wait does not block the others. The
   * bytes must be bounded otherwise, and be passed to {@link widen} later.
   */
  release(bytes: number): void;
  /** Returns released bytes to the window of the stream. */
  widen(bytes: number): void;
}

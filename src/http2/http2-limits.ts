/** Bounds on what one connection may cost before and after its caller is known. */
export interface Http2Limits {
  /** Maximum number of streams that are open at a time. Further ones are refused (REFUSED_STREAM). */
  readonly streams: number;
  /** Bytes of the table of header fields that the peer's encoder may use. */
  readonly tableBytes: number;
  /** Bytes of a decoded list of header fields: name, value and 32 for each. Source: RFC 9113, section 6.5.2. */
  readonly listBytes: number;
  /** Maximum number of fields in a list. */
  readonly fields: number;
  /** Bytes of an encoded list over all its frames. A larger one ends the connection. */
  readonly blockBytes: number;
  /** Bytes of a request that a stream may send before they are consumed. */
  readonly streamWindow: number;
  /** The same for all streams of the connection together. */
  readonly connectionWindow: number;
  /**
   * Bytes of output above which no further bodies of answers are added and no further frames are read, until the socket has
   * taken them.
   */
  readonly outputBytes: number;
  /** Burst of frames that cost work and bring none, see {@link FloodCredits}. */
  readonly credits: number;
  /** Credits that are added each second. */
  readonly creditsPerSecond: number;
}

export const HTTP2_LIMITS: Http2Limits = {
  streams: 256,
  tableBytes: 4_096,
  listBytes: 65_536,
  fields: 128,
  blockBytes: 131_072,
  streamWindow: 262_144,
  connectionWindow: 1_048_576,
  outputBytes: 131_072,
  credits: 1_000,
  creditsPerSecond: 100,
};

/** Error that ends the whole connection with GOAWAY. Source: RFC 9113, section 5.4.1. */
export class Http2ConnectionError extends Error {
  readonly code: number;

  /**
   * @param code - of {@link Http2Code}
   * @param message - is sent to the peer as debug data
   */
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

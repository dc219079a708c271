/** Types of frames. Source: RFC 9113, section 6. */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const;

/** Flags of frames. `END_STREAM` and `ACK` have the same value, for different types. */
export const FrameFlag = {
  END_STREAM: 0x1,
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Bytes of a frame before its payload: length, type, flags and stream. Source: RFC 9113, section 4.1. */
export const FRAME_HEADER_BYTES = 9;

/** Largest payload that a peer may send without a setting, and that this server accepts. Source: RFC 9113, section 4.2. */
export const MAX_FRAME_BYTES = 16_384;

/** Largest flow-control window, and largest number of a stream. Source: RFC 9113, sections 5.1.1 and 6.9.1. */
export const MAX_UINT31 = 2 ** 31 - 1;

/** Window of a new connection, and of a stream without a setting. Source: RFC 9113, section 6.9.2. */
export const DEFAULT_WINDOW = 65_535;

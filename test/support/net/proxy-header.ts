const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");

export interface ProxyHeader {
  /** Version and command. Default: 0x21, version 2, PROXY. */
  readonly command?: number;
  /** Family and protocol. Default: 0x11, TCP over IPv4; 0x21 is TCP over IPv6. */
  readonly family?: number;
  /** Addresses, ports, and extensions. */
  readonly body?: Uint8Array;
  /** Length field of the header. Default: the body's length. */
  readonly claims?: number;
}

/** Encodes a PROXY protocol header, version 2. */
export function proxyHeader({ body = ipv4(), claims, command = 0x21, family = 0x11 }: ProxyHeader = {}): Buffer {
  const rest = Buffer.alloc(4);
  rest.writeUInt8(command, 0);
  rest.writeUInt8(family, 1);
  rest.writeUInt16BE(claims ?? body.length, 2);
  return Buffer.concat([SIGNATURE, rest, body]);
}

/** Encodes the addresses of a connection from 203.0.113.7:4711. */
export function ipv4(source: readonly number[] = [203, 0, 113, 7], port = 4_711): Buffer {
  const body = Buffer.from([...source, 127, 0, 0, 1, 0, 0, 0, 0]);
  body.writeUInt16BE(port, 8);
  return body;
}

/** Encodes the addresses of a connection from an IPv6 address, given in hexadecimal, and port 4711. */
export function ipv6(source: string): Buffer {
  const body = Buffer.alloc(36);
  Buffer.from(source, "hex").copy(body);
  body.writeUInt16BE(4_711, 32);
  return body;
}

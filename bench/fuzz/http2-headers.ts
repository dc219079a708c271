/** Header field in lower case, valid or not. Pseudo-header fields begin with a colon. */
export type HeaderPair = readonly [name: string, value: string];

/** Static table, from index 1. RFC 7541, appendix A. */
const STATIC_TABLE: readonly string[] = [
  ":authority,:method GET,:method POST,:path /,:path /index.html,:scheme http,:scheme https,:status 200,:status 204",
  ":status 206,:status 304,:status 400,:status 404,:status 500,accept-charset,accept-encoding gzip; deflate",
  "accept-language,accept-ranges,accept,access-control-allow-origin,age,allow,authorization,cache-control",
  "content-disposition,content-encoding,content-language,content-length,content-location,content-range,content-type",
  "cookie,date,etag,expect,expires,from,host,if-match,if-modified-since,if-none-match,if-range,if-unmodified-since",
  "last-modified,link,location,max-forwards,proxy-authenticate,proxy-authorization,range,referer,refresh,retry-after",
  "server,set-cookie,strict-transport-security,transfer-encoding,user-agent,vary,via,www-authenticate",
]
  .join(",")
  .split(",");

/**
 * Encodes an integer. RFC 7541, section 5.1.
 *
 * @param prefix - number of bits in the first byte
 * @param pattern - other bits of the first byte
 */
export function hpackInteger(value: number, prefix: number, pattern: number): Buffer {
  const most = 2 ** prefix - 1;
  if (value < most) return Buffer.of(pattern | value);
  const bytes = [pattern | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** Encodes a plain string. RFC 7541, section 5.2. @param text - one byte for each character */
export function hpackString(text: string): Buffer {
  return Buffer.concat([hpackInteger(text.length, 7, 0), Buffer.from(text, "latin1")]);
}

/** Encodes fields as literals without indexing. RFC 7541, section 6.2.2. */
export function literalHeaders(fields: readonly HeaderPair[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), hpackString(name), hpackString(value)]));
}

/** Encodes a field as a literal that enters the dynamic table. RFC 7541, section 6.2.1. */
export function indexedLiteral([name, value]: HeaderPair): Buffer {
  return Buffer.concat([Buffer.of(0x40), hpackString(name), hpackString(value)]);
}

/** Encodes an index into both tables; the dynamic one begins at 62. RFC 7541, section 6.1. */
export function tableIndex(index: number): Buffer {
  return hpackInteger(index, 7, 0x80);
}

/** Encodes a change of the dynamic table's size. RFC 7541, section 6.3. */
export function tableSizeUpdate(bytes: number): Buffer {
  return hpackInteger(bytes, 5, 0x20);
}

/** @throws Error: the index is beyond the static table */
function readStatic(index: number): readonly string[] {
  const found = STATIC_TABLE[index - 1];
  if (found === undefined) throw new Error(`index ${index} is not in the static table`);
  return found.split(" ");
}

/**
 * Decodes a header block without references to a dynamic table.
 *
 * @throws Error for Huffman codes and the dynamic table, which the server under test does not use
 */
export function readHeaders(block: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  let offset = 0;

  const integer = (prefix: number): number => {
    const most = 2 ** prefix - 1;
    let value = block.readUInt8(offset) & most;
    offset += 1;
    if (value < most) return value;
    for (let shift = 1; ; shift *= 128) {
      const byte = block.readUInt8(offset);
      offset += 1;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  const text = (): string => {
    if ((block.readUInt8(offset) & 0x80) !== 0) throw new Error("Huffman codes are not supported");
    const length = integer(7);
    offset += length;
    return block.toString("latin1", offset - length, offset);
  };

  while (offset < block.length) {
    const first = block.readUInt8(offset);
    if ((first & 0x80) !== 0) {
      const [name = "", value = ""] = readStatic(integer(7));
      fields.set(name, value);
    } else if ((first & 0xe0) === 0x20) {
      integer(5);
    } else {
      const index = integer((first & 0x40) === 0 ? 4 : 6);
      const [name = ""] = index === 0 ? [text()] : readStatic(index);
      fields.set(name, text());
    }
  }
  return fields;
}

import { BlockReader } from "./block-reader.js";
import { DynamicTable } from "./dynamic-table.js";
import { fieldSize, type HeaderField } from "./header-field.js";
import { HpackError } from "./hpack-error.js";
import { STATIC_TABLE } from "./static-table.js";

/** Bounds of what a peer's header blocks may hold. */
export interface HpackLimits {
  /** Maximum size of the dynamic table in bytes, as announced by SETTINGS_HEADER_TABLE_SIZE. */
  readonly tableBytes: number;
  /** Maximum size of a header list in bytes: name, value and 32 for each field. RFC 9113, section 6.5.2. */
  readonly listBytes: number;
  /** Maximum number of fields of a header list. */
  readonly fields: number;
}

/** A decoded header block. */
export interface HeaderBlock {
  readonly fields: readonly HeaderField[];
  /** True: the list exceeds the limits, and `fields` ends before the first field that does. The table is up to date. */
  readonly isTooLarge: boolean;
}

/** Size of the dynamic table in bytes until the peer has acknowledged our settings: RFC 9113, section 6.5.2. */
const DEFAULT_TABLE_BYTES = 4_096;
/** Maximum number of size updates in a block: the smallest size and the final one. RFC 7541, section 4.2. */
const MAX_SIZE_UPDATES = 2;

/** Patterns of a representation's first byte, by its highest bits: RFC 7541, section 6. */
const INDEXED = 0x80;
const LITERAL_WITH_INDEXING = 0x40;
const SIZE_UPDATE = 0x20;

/** Prefixes of the integer in a representation's first byte: RFC 7541, section 6. */
const INDEXED_PREFIX = 0x7f;
const LITERAL_WITH_INDEXING_PREFIX = 0x3f;
const SIZE_UPDATE_PREFIX = 0x1f;
const LITERAL_PREFIX = 0x0f;

/**
 * Decodes the header blocks of one connection in their order. Time and memory are linear in the size of a block: indexed
 * fields are the table's own objects, and a list ends at its limits while the rest of the block updates the table.
 */
export class HpackDecoder {
  readonly #limits: HpackLimits;
  readonly #table = new DynamicTable(DEFAULT_TABLE_BYTES);
  /** Maximum of the table's size that is in force. */
  #tableLimit = DEFAULT_TABLE_BYTES;
  #version = 0;

  constructor(limits: HpackLimits) {
    this.#limits = limits;
  }

  /** Changes with each insertion, size update and acknowledgement. While it has not changed, equal blocks decode equally. */
  get version(): number {
    return this.#version;
  }

  /**
   * Puts `tableBytes` in force, because the peer has acknowledged our settings. If the table is larger, the next block must
   * begin with a size update: RFC 7541, section 4.2.
   */
  acknowledgeSettings(): void {
    this.#version++;
    this.#tableLimit = this.#limits.tableBytes;
  }

  /**
   * Decodes a complete header block.
   * @throws HpackError: the block is malformed. The table is undefined then, so the connection must end
   */
  decode(block: Buffer): HeaderBlock {
    const reader = new BlockReader(block);
    this.#readSizeUpdates(reader);
    const fields: HeaderField[] = [];
    let listBytes = 0;
    let isTooLarge = false;
    while (reader.next !== undefined) {
      const field = this.#readField(reader, reader.next);
      listBytes += fieldSize(field);
      if (listBytes > this.#limits.listBytes || fields.length >= this.#limits.fields) isTooLarge = true;
      if (!isTooLarge) fields.push(field);
    }
    return { fields, isTooLarge };
  }

  /** Reads the size updates, which only the beginning of a block may contain: RFC 7541, sections 4.2 and 6.3. */
  #readSizeUpdates(reader: BlockReader): void {
    for (let count = 0; isSizeUpdate(reader.next); count++) {
      if (count === MAX_SIZE_UPDATES) throw new HpackError("too many size updates");
      const size = reader.readInteger(SIZE_UPDATE_PREFIX);
      if (size > this.#tableLimit) throw new HpackError("size update above the announced size");
      this.#version++;
      this.#table.resize(size);
    }
    if (this.#table.maxSize > this.#tableLimit) throw new HpackError("missing size update");
  }

  #readField(reader: BlockReader, first: number): HeaderField {
    if (first >= INDEXED) return this.#getField(reader.readInteger(INDEXED_PREFIX));
    if (first >= LITERAL_WITH_INDEXING) {
      const field = this.#readLiteral(reader, LITERAL_WITH_INDEXING_PREFIX);
      this.#version++;
      this.#table.insert(field);
      return field;
    }
    if (first >= SIZE_UPDATE) throw new HpackError("size update after a field");
    // Never indexed literals differ only for intermediaries: RFC 7541, section 6.2.3.
    return this.#readLiteral(reader, LITERAL_PREFIX);
  }

  #readLiteral(reader: BlockReader, prefix: number): HeaderField {
    const index = reader.readInteger(prefix);
    const name = index === 0 ? reader.readString() : this.#getField(index).name;
    return { name, value: reader.readString() };
  }

  /** @param index - in the static table from 1, followed by the dynamic table: RFC 7541, section 2.3.3 */
  #getField(index: number): HeaderField {
    const field =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table.get(index - STATIC_TABLE.length - 1);
    if (field === undefined) throw new HpackError("invalid index");
    return field;
  }
}

function isSizeUpdate(first: number | undefined): boolean {
  return first !== undefined && first >= SIZE_UPDATE && first < LITERAL_WITH_INDEXING;
}

/** A field of a header list: its name and value as latin1 text, one character for each byte. */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

/** Bytes that each field counts beside its name and value: RFC 7541, section 4.1, and RFC 9113, section 6.5.2. */
const FIELD_OVERHEAD = 32;

/** Returns a field's size in bytes, both in the dynamic table and in the header list. */
export function fieldSize(field: HeaderField): number {
  return field.name.length + field.value.length + FIELD_OVERHEAD;
}

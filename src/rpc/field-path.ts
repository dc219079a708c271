import type { DescField, DescMessage } from "@bufbuild/protobuf";

/** A field of a request that an error names, and what is wrong with it. */
export interface FieldFault {
  /** Such as `messages[0].topics[1]`. */
  readonly field: string;
  readonly description: string;
}

const STEP = String.raw`[a-zA-Z_]\w*(?:\[\d+\])?`;

/** A path, then what is wrong with it. */
const TEXT = new RegExp(String.raw`^(${STEP}(?:\.${STEP})*):? (.+)$`, "s");

/** @returns undefined where the text does not begin with a field of this type */
export function findFieldFault(text: string, type: DescMessage): FieldFault | undefined {
  const [, field = "", description = ""] = TEXT.exec(text) ?? [];
  return isFieldPath(field, type) ? { field, description } : undefined;
}

function isFieldPath(path: string, root: DescMessage): boolean {
  let type: DescMessage | undefined = root;
  for (const step of path.split(".")) {
    const [name = "", position] = step.split("[", 2);
    const field: DescField | undefined = type?.fields.find((each) => each.name === name || each.jsonName === name);
    if (field === undefined || (position !== undefined && field.fieldKind !== "list")) return false;
    type = field.message;
  }
  return true;
}

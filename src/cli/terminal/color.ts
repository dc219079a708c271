/**
 * Whether output on a stream is coloured: on terminals, unless NO_COLOR is set; anywhere if FORCE_COLOR is set.
 * Sources: no-color.org, force-color.org
 */
export function usesColor(stream: { readonly isTTY?: boolean }): boolean {
  const { FORCE_COLOR: force = "", NO_COLOR: none = "", TERM: terminal } = process.env;
  if (force !== "") return force !== "0" && force !== "false";
  return stream.isTTY === true && none === "" && terminal !== "dumb";
}

/** Codes that begin and end a style. Source: ECMA-48, SGR. */
const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  inverse: [7, 27],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const;

export type TextStyle = keyof typeof STYLES;

/** Writes a text in a style if `colored`. */
export function paint(text: string, style: TextStyle, colored: boolean): string {
  const [begin, end] = STYLES[style];
  return colored ? `\u001b[${begin}m${text}\u001b[${end}m` : text;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/**
 * Formats a count, which protobuf's JSON may have as text.
 * @param {number | string} value
 */
export function count(value = 0) {
  return whole.format(Number(value));
}

/** Formats a count with its noun, such as "1 member". */
export function plural(value, noun) {
  return `${count(value)} ${noun}${Number(value) === 1 ? "" : "s"}`;
}

/** Formats a rate per second: exactly while it is small. */
export function rate(value = 0) {
  if (value > 0 && value < 10) return value.toFixed(1);
  return value < 100_000 ? whole.format(value) : short.format(value);
}

/**
 * Formats a size in bytes, which protobuf's JSON may have as text.
 * @param {number | string} value
 */
export function bytes(value = 0) {
  let size = Number(value);
  let unit = 0;
  while (size >= 1_024 && unit < UNITS.length - 1) {
    size /= 1_024;
    unit += 1;
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : whole.format(size)} ${UNITS[unit]}`;
}

/** Formats seconds as milliseconds. */
export function milliseconds(seconds = 0) {
  const value = seconds * 1_000;
  return `${value < 10 ? value.toFixed(1) : whole.format(value)} ms`;
}

/** Formats a duration in seconds by its two largest units. */
export function duration(seconds) {
  const total = Math.floor(seconds);
  const parts = [
    [Math.floor(total / 86_400), "d"],
    [Math.floor(total / 3_600) % 24, "h"],
    [Math.floor(total / 60) % 60, "min"],
    [total % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first === -1) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

/** Reads a duration of protobuf's JSON, such as `1.5s`, in seconds. */
export function toSeconds(text = "0s") {
  return Number.parseFloat(text);
}

/** Formats how long ago a time of protobuf's JSON was. */
export function ago(time) {
  if (time === undefined) return "never";
  const seconds = (Date.now() - Date.parse(time)) / 1_000;
  return seconds < 1 ? "now" : `${duration(seconds)} ago`;
}

/** Formats a time of protobuf's JSON as date and time. */
export function moment(time) {
  if (time === undefined) return "";
  return new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}

/** Formats a time as hours, minutes and seconds. */
export function clock(time) {
  return new Date(time).toLocaleTimeString("en-GB");
}

/** Reads base64 as text; undefined for bytes that are not UTF-8. */
export function decodePayload(base64 = "") {
  const raw = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(raw);
  } catch {
    return undefined;
  }
}

/** Formats a time, in milliseconds since the epoch, as local time. */
export function showTime(element, at) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return;
  element.dateTime = date.toISOString();
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => padded(part, 2)).join(":");
  element.textContent = `${clock}.${padded(date.getMilliseconds(), 3)}`;
}

function padded(number, digits) {
  return String(number).padStart(digits, "0");
}

/** Truncates a text to a number of characters, and marks that it did. */
export function shortened(text, length) {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** Shows a moment, in milliseconds since the epoch, by the clock on the wall. */
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

/** Text of this many characters at most, and a sign where that is not all. */
export function shortened(text, length) {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

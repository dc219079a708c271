import { ClientError } from "../errors.js";

const MAX_BYTES = 255;
const CONTROL = /[\p{Cc}\p{Surrogate}]/u;

/** @throws ClientError invalid_argument for a name that a node refuses as a topic, or as the event of a call */
export function checkTopicName(name: string): void {
  checkName(name, name === "" || /^[@#$]/.test(name) || /\p{White_Space}/u.test(name));
}

/** @throws ClientError invalid_argument for a text that a node refuses as the name of an event, or the id of a message */
export function checkLabel(label: string): void {
  checkName(label, label !== label.trim());
}

function checkName(name: string, isInvalid: boolean): void {
  const isLong = new TextEncoder().encode(name).length > MAX_BYTES;
  if (isLong) throw new ClientError("invalid_argument", `"${name}" is longer than ${MAX_BYTES} bytes`);
  if (isInvalid || CONTROL.test(name)) throw new ClientError("invalid_argument", `invalid name "${name}"`);
}

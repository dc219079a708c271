import { isUtf8 } from "node:buffer";
import { join } from "node:path";
import { EventsDialect } from "../../../src/dialects/events/dialect.js";
import { dialectContract } from "../../contract/dialect.js";
import { EVENTS_SPEECH } from "./support.js";

const BASE64 = "data:application/octet-stream;base64,";

dialectContract("events", {
  dialect: new EventsDialect(),
  transcripts: join(__dirname, "transcripts"),
  speech: EVENTS_SPEECH,
  variants: ["", "meta=1"],
  commands: [
    "topic=foo&topic=bar&broker=memory",
    "topic=foo&rewind=20&since=2026-01-01T00:00:00Z",
    "topic=foo&last_event_id=abcdefm.1~ghijklm.2~*&hidden=1&auth=token",
    "topic=%C3%A9&meta=1&_=1",
  ],
  readMessage: (text, query) => {
    const lines = text.split("\n");
    const data = lines.flatMap((line) => (line.startsWith("data: ") ? [line.slice("data: ".length)] : [])).join("\n");
    if (query !== "") {
      const { encoding, payload, topic = "" } = JSON.parse(data) as Record<string, string>;
      return { topic, payload: Buffer.from(payload ?? "", encoding === "base64" ? "base64" : "utf8") };
    }
    const isBase64 = data.startsWith(BASE64);
    return { payload: Buffer.from(data.slice(isBase64 ? BASE64.length : 0), isBase64 ? "base64" : "utf8") };
  },
  // Lines end with LF, unless the payload is within JSON.
  expectedPayload: ({ payload }, query) => {
    const bytes = Buffer.from(payload);
    if (query !== "" || !isUtf8(bytes)) return bytes;
    return Buffer.from(bytes.toString("utf8").replaceAll(/\r\n?/g, "\n"));
  },
});

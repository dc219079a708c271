import fc from "fast-check";
import type { Message } from "../../src/core/message.js";
import type { Conversation, Dialect } from "../../src/dialects/dialect.js";
import { playTranscript, readTranscripts, type Speech } from "../support/clients/transcript.js";
import { readChapter, readWireExamples } from "../support/docs/chapters.js";

export interface DialectUnderTest {
  readonly dialect: Dialect;
  /** Folder of the golden transcripts. */
  readonly transcripts: string;
  /** Player of the transcripts. Default: the native dialect's. */
  readonly speech?: Speech;
  /** Queries that change the encoding of messages. */
  readonly variants: readonly string[];
  /** Valid commands, to be mixed with random frames. */
  readonly commands: readonly string[];
  /** Decodes a message as a client with the query does; without a topic if the protocol does not send it. */
  readonly readMessage: (text: string, query: string) => { readonly topic?: string; readonly payload: Uint8Array };
  /** Converts a payload to the part that the protocol can represent; undefined: every byte. */
  readonly expectedPayload?: (message: Message, query: string) => Uint8Array;
}

const topics = fc
  .string({ unit: "binary", minLength: 1, maxLength: 40 })
  .filter((name) => !/[\p{White_Space}\p{Cc}]|^[@#$]/u.test(name));

const messages: fc.Arbitrary<Message> = fc.record({
  id: fc.string({ minLength: 1 }),
  event: fc.string(),
  sender: fc.constantFrom("", "0123456789ab.1f"),
  time: fc.integer({ min: 0, max: 4e12 }),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: "binary" }).map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(text)),
  ),
});

/** Tests that every dialect must pass. */
export function dialectContract(name: string, options: DialectUnderTest): void {
  const { commands, dialect, readMessage, expectedPayload = payloadOf, transcripts, variants } = options;
  const open = (query: string): Conversation =>
    dialect.open({ query: new URLSearchParams(query), connectionId: "0123456789ab.1" });

  describe(`dialect contract: ${name}`, () => {
    describe("transcripts", () => {
      test.each(readTranscripts(transcripts).map((transcript) => [transcript.title, transcript] as const))(
        "%s",
        async (_title, transcript) => {
          await playTranscript(transcript, options.speech);
        },
      );

      test.each(
        readWireExamples(readChapter(name))
          .filter(({ kind }) => kind === "transcript")
          .map(({ code }) => code.split("\n")),
      )(`the transcript in the chapter ${name} of docs/protocol shows real frames (%#)`, async (...lines) => {
        await playTranscript({ title: name, lines }, options.speech);
      });
    });

    test("O8: decides on every frame without an exception, for any text", () => {
      const frames = fc.oneof(
        fc.string({ unit: "binary" }),
        fc.json(),
        fc.constantFrom(...commands),
        fc.tuple(fc.constantFrom(...commands), fc.nat()).map(([text, length]) => text.slice(0, length % text.length)),
        fc.tuple(fc.constantFrom(...commands), fc.nat(), fc.string({ maxLength: 3 })).map(([text, at, insert]) => {
          const position = at % text.length;
          return text.slice(0, position) + insert + text.slice(position + 1);
        }),
      );
      fc.assert(
        fc.property(fc.array(frames), (texts) => {
          const conversation = open("");
          for (const text of texts) {
            expect(["command", "refused", "malformed"]).toContain(conversation.receive(text).kind);
          }
        }),
        { numRuns: 300 },
      );
    });

    test.each(variants)("decodes encoded frames to the same values (%s)", (query) => {
      fc.assert(
        fc.property(topics, messages, (topic, message) => {
          const { encoding } = open(query);
          const text = encoding.text(message, encoding.topicText(topic));
          const read = readMessage(text, query);
          expect(read.topic ?? topic).toBe(topic);
          expect(Buffer.from(read.payload).equals(expectedPayload(message, query))).toBe(true);
        }),
        { numRuns: 300 },
      );
    });

    test.each(variants)("O7: shares one encoding between connections with the same format (%s)", (query) => {
      expect(open(query).encoding).toBe(open(query).encoding);
    });
  });
}

function payloadOf({ payload }: Message): Uint8Array {
  return payload;
}

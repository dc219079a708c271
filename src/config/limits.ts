import { count, fixed, z } from "./schema-builder.js";
import { bytes } from "./units.js";

/**
 * Minimum of `receiving` as a multiple of `frame` and of `request`, so that the largest ones are accepted while nothing else
 * is received. A client without a key may use a quarter of `receiving`, and a backend half. A compressed message counts in both
 * its forms. A request may also be in base64, and its decompressor counts as 256 KiB.
 */
const MIN_RECEIVING = { frame: 8, request: 6 } as const;

/** Schema of a node's limits. */
export const limits = z
  .strictObject({
    connections: count(1, 10_000_000)
      .default(50_000)
      .describe("WebSocket connections of the node. Each uses an open file."),
    pending_connections: count(10, 10_000_000)
      .default(10_000)
      .describe(
        "Connections of all ports that have not sent their first request. One address gets at most half, except trusted proxies. Never more than half of the process's limit of open files.",
      ),
    topics_per_connection: count(1, 1_000_000).default(1_000).describe("Topics of one connection."),
    calls_per_connection: count(1, 1_000_000).default(100).describe("Unfinished worker calls of one connection."),
    topics_per_message: count(1, 1_000_000).default(1_000).describe("Topics of one message."),
    frame: fixed(
      bytes("1KiB", "64MiB").prefault("1MiB").describe("Largest WebSocket message from a client, after decompression."),
    ),
    payload: bytes("1B", "64MiB").prefault("1MiB").describe("Largest payload of a message."),
    request: fixed(bytes("1KiB", "256MiB").prefault("4MiB").describe("Largest RPC request.")),
    expanded_request: bytes("1KiB", "4GiB")
      .prefault("64MiB")
      .describe("Largest expanded request: each payload plus 1 KiB, times its topics."),
    // The minimum lets a caller without a key, who may use a quarter, send a dialect's requests of up to 1 MiB.
    receiving: bytes("4MiB", "64GiB")
      .prefault("64MiB")
      .describe(
        "Received and decompressed bytes of incomplete requests and frames on all ports. One key or address gets at most half; all callers without a key together get half, and one of them a quarter. At least 4MiB, 6 times `request` and 8 times `frame`; a dialect with larger frames of its own may need more.",
      ),
    backend_answer_bytes_per_second: z
      .literal("off")
      .or(bytes("64KiB", "10GiB"))
      .prefault("4MiB")
      .describe(
        "Bytes per second of list answers to one key, with a burst of 8 times as much. `off` removes the limit.",
      ),
    history: bytes("64KiB", "1024GiB")
      .prefault("1GiB")
      .describe("Sum of `bytes` of the history classes that the memory broker keeps, over all vhosts."),
    replay_messages: count(1, 10_000)
      .default(1_000)
      .describe("Stored messages that one join may request, of all its topics. A longer recovery fails."),
    replay_bytes: bytes("1KiB", "1GiB")
      .prefault("4MiB")
      .describe("Payload bytes of the stored messages that one join may request, of all its topics."),
    outbox: bytes("4KiB", "1GiB")
      .prefault("1MiB")
      .describe("Bytes that wait for one slow client. Beyond it `slow_consumer` applies."),
    malformed_frames: fixed(
      count(1, 1_000_000).default(10).describe("Consecutive malformed frames that close a connection."),
    ),
  })
  .refine(({ payload, request }) => payload <= request, { message: "payload: expected at most request" })
  .refine(({ expanded_request, payload }) => payload < expanded_request, {
    message: "payload: expected less than expanded_request",
  })
  .refine(({ frame, receiving }) => receiving >= MIN_RECEIVING.frame * frame, {
    message: `receiving: expected at least ${MIN_RECEIVING.frame} times frame`,
  })
  .refine(({ receiving, request }) => receiving >= MIN_RECEIVING.request * request, {
    message: `receiving: expected at least ${MIN_RECEIVING.request} times request`,
  })
  .prefault({});

import fc from "fast-check";
import { FLAG, FRAME_TYPE } from "../../../bench/fuzz/http2-frames.js";
import {
  completeSession,
  encodeSession,
  LAST_PING,
  sessionArbitrary,
  splitSession,
} from "../../../bench/fuzz/http2-sessions.js";
import { connectHttp2 } from "../../support/raw/http2-peer.js";
import { PUBLISHED, publishOn } from "./support/attack.js";
import { startHttp2Mount } from "./support/mount.js";

test("ends each connection or answers its ping, without a fault, when calls are random or damaged", async () => {
  const faults: unknown[] = [];
  const { address } = await startHttp2Mount({ onFault: (cause) => faults.push(cause) });
  const witness = await connectHttp2(address);
  await fc.assert(
    fc.asyncProperty(sessionArbitrary, async ({ cuts, ...session }) => {
      const bytes = encodeSession(session);
      const peer = await connectHttp2(address, { opens: false });
      for (const part of splitSession(bytes, cuts)) peer.send(part);
      peer.send(completeSession(bytes).subarray(bytes.length));
      const pong = peer.next(({ flags, payload, type }) => {
        return type === FRAME_TYPE.ping && flags === FLAG.ack && payload.equals(LAST_PING);
      });
      await Promise.race([peer.closed, pong]);
      peer.socket.destroy();
      await Promise.allSettled([peer.closed, pong]);
      expect(faults).toEqual([]);
    }),
    { numRuns: 200 },
  );
  expect(await publishOn(witness, 1)).toEqual(PUBLISHED);
});

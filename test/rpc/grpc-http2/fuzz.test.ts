import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { checkReturned, FUZZED_LIMITS } from "../../../bench/fuzz/http2-check.js";
import { FLAG, FRAME_TYPE, FrameParser, PREFACE, rstStreamFrame } from "../../../bench/fuzz/http2-frames.js";
import {
  completeSession,
  encodeSession,
  LAST_PING,
  sessionArbitrary,
  splitSession,
} from "../../../bench/fuzz/http2-sessions.js";
import { Http2Connection } from "../../../src/http2/http2-connection.js";
import type { ByteBudget } from "../../../src/net/byte-budget.js";
import { CallAuthorizer } from "../../../src/rpc/call-authorizer.js";
import { OverdueRequests } from "../../../src/rpc/grpc/overdue-requests.js";
import { UnreadCalls } from "../../../src/rpc/grpc/unread-calls.js";
import { beginCall } from "../../../src/rpc/grpc-http2/begin-call.js";
import { CallDeadlines } from "../../../src/rpc/grpc-http2/call-deadlines.js";
import { type CallHead, HeadReader } from "../../../src/rpc/grpc-http2/call-head.js";
import { type CallHost, CallPeer } from "../../../src/rpc/grpc-http2/call-peer.js";
import { serveMethods } from "../../../src/rpc/grpc-http2/served-method.js";
import { WatchingCalls } from "../../../src/rpc/grpc-http2/watching-calls.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { ampleBudget } from "../../support/nodes/byte-budget.js";
import { connectHttp2 } from "../../support/raw/http2-peer.js";
import { everybody } from "../support/keys.js";
import { PUBLISHED, publishOn } from "./support/attack.js";
import { publishService, startHttp2Mount } from "./support/mount.js";

test("ends each connection or answers its ping, without a fault, when calls are random or damaged", async () => {
  const faults: unknown[] = [];
  const budget = ampleBudget();
  const { address } = await startHttp2Mount({ budget, onFault: (cause) => faults.push(cause) });
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
    { numRuns: 100 },
  );
  expect(await publishOn(witness, 1)).toEqual(PUBLISHED);
  // All bytes of their requests are released.
  while (budget.used > 0) await nextTurn();
});

function onFault(cause: unknown): never {
  throw cause;
}

/** Serves gRPC on a connection without a socket, with small windows. */
function createConnection(budget: ByteBudget): Http2Connection<CallHead> {
  const methods = serveMethods(publishService(), 1_000_000).map((method) => [method.path, method] as const);
  const host: CallHost = {
    authorizer: new CallAuthorizer(everybody(), systemClock),
    budget,
    overdue: new OverdueRequests(1_000_000),
    unread: new UnreadCalls(1_000_000),
    deadlines: new CallDeadlines(),
    watching: new WatchingCalls(),
    onFault,
    continueTrace: undefined,
  };
  const peer = new CallPeer(host, new Socket());
  return new Http2Connection({
    limits: { ...FUZZED_LIMITS, credits: 1_000 },
    now: () => 0,
    readHead: new HeadReader(new Map(methods), onFault).read,
    onStream: (stream, head) => beginCall(stream, head, peer),
    onFault,
  });
}

test("returns all windows and leases when calls of random sizes and ends are over", async () => {
  const budget = ampleBudget();
  await fc.assert(
    fc.asyncProperty(sessionArbitrary, async ({ cuts, ...session }) => {
      const connection = createConnection(budget);
      const output: Buffer[] = [];
      const receive = async (bytes: Buffer): Promise<void> => {
        connection.receive(bytes);
        await nextTurn();
        for (let taken = connection.takeOutput(); taken !== undefined; taken = connection.takeOutput())
          output.push(taken);
      };
      const bytes = encodeSession({ ...session, mutations: [] });
      for (const part of splitSession(bytes, cuts)) await receive(part);
      const input = new FrameParser().push(bytes.subarray(PREFACE.length));
      // The highest possible stream may be among them.
      for (const stream of new Set(input.map((frame) => frame.stream))) {
        if (stream % 2 === 1 && stream <= connection.lastStream) await receive(rstStreamFrame(stream));
      }
      expect(budget.used).toBe(0);
      if (connection.isOver) return;
      checkReturned(new FrameParser().push(Buffer.concat(output)), input);
    }),
    { numRuns: 300 },
  );
});

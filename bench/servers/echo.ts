import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { answer } from "../support/child.js";
import { ECHO_PATH } from "../support/grpc.js";

/** Runs an echo service on plain @grpc/grpc-js. */
const same = (bytes: Buffer): Buffer => bytes;
const server = new Server();

server.addService(
  {
    Echo: {
      path: ECHO_PATH,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  },
  {
    Echo({ request }: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) {
      callback(null, request);
    },
  },
);

answer({
  start: () =>
    new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve({ grpc: `127.0.0.1:${port}` });
        else reject(error);
      });
    }),
});

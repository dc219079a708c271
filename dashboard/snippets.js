/** Default port of gRPC: the page does not know the node's. */
const GRPC_PORT = 6001;

/** Code that publishes a message, in several languages. Keys are read from CARILLON_KEY. */
export function snippets(message, { http, vhost }) {
  const body = JSON.stringify({ messages: [message] });
  const { hostname } = new URL(http);
  const isOther = vhost !== "" && vhost !== "/";
  const { event, text, topics } = message;
  return [
    {
      title: "curl",
      text: [
        `curl ${quote(`${http}/websockets.v1.BroadcastService/Publish`)}`,
        "-H 'content-type: application/json'",
        '-H "authorization: Bearer $CARILLON_KEY"',
        ...(isOther ? [`-H ${quote(`carillon-vhost: ${vhost}`)}`] : []),
        `-d ${quote(body)}`,
      ].join(" \\\n  "),
    },
    {
      title: "gRPC, with grpcurl",
      text: [
        'grpcurl -plaintext -H "authorization: Bearer $CARILLON_KEY"',
        ...(isOther ? [`-H ${quote(`carillon-vhost: ${vhost}`)}`] : []),
        `-d ${quote(body)}`,
        `${hostname}:${GRPC_PORT} websockets.v1.BroadcastService/Publish`,
      ].join(" \\\n  "),
    },
    {
      title: "TypeScript",
      text: `import { createPublisher } from "carillon";

const publisher = createPublisher({
  url: ${JSON.stringify(`grpc://${hostname}:${GRPC_PORT}`)},
  key: process.env.CARILLON_KEY,${isOther ? `\n  vhost: ${JSON.stringify(vhost)},` : ""}
});
await publisher.publish(${JSON.stringify({ topic: topics[0], ...(event && { event }), text })});
await publisher.close();`,
    },
  ];
}

/** Quotes a text for a POSIX shell. */
function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

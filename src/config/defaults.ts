import type { DialectSettings } from "./dialect-settings.js";
import { enumerate } from "./reference.js";

/**
 * Every setting with its default and meaning, as a file to start from. A test compares it with the schema.
 * @param filesOnly - other keys of the top level that environment variables cannot hold
 */
export function writeDefaults(dialects: readonly DialectSettings[], filesOnly: readonly string[]): string {
  const clients = dialects.filter(({ serves }) => serves === "clients").map(({ name }) => name);
  return `# Carillon's configuration: every key with its default. All of them may be left out.
# Those outside of ${enumerate(["brokers", "vhosts", "store", ...filesOnly])} can also be set by the environment: limits.outbox is
# CARILLON_LIMITS_OUTBOX; lists are separated by commas.

# Where to listen, HOST:PORT. Port 0: any free one, told in the log's "ready" record.
# http: WebSocket, Connect, gRPC-Web, /healthz, /readyz, /metrics, and the page to try it in.
http: 127.0.0.1:8080
grpc: 127.0.0.1:6001

# true: listen on other than loopback addresses although nobody is asked for a key.
insecure: false

# An address of its own for /healthz, /readyz and /metrics, which are then no longer on http:
#   admin: { listen: 127.0.0.1:9090 }
admin: {}

# Origins of pages that may connect: "*", exact ones, or with one "*" as the port or in the host (https://*.example.com).
# Pages from files and sandboxed frames are "null" or file://. Clients that are no browser send none.
origins:
  - http://localhost
  - http://localhost:*
  - http://127.0.0.1
  - http://127.0.0.1:*
  - http://[::1]
  - http://[::1]:*
  - https://localhost
  - https://localhost:*
  - https://127.0.0.1
  - https://127.0.0.1:*
  - https://[::1]
  - https://[::1]:*

# The page to try it in, at "/": on, off, or auto (on when http listens on loopback).
page: auto

# How messages travel between nodes. Clients name a broker by its key here. A NATS one:
#   nats:
#     driver: nats
#     servers: [nats://127.0.0.1:4222]   # or tls://…: then no server is spoken to in the clear
#     prefix: carillon                   # subjects are <prefix>.<vhost>.<topic>
#     client_name: carillon              # shown by NATS
#     user: …  password: …               # or one of: token, nkey_file, creds_file; or in a server's URL,
#                                        # percent-encoded: nats://USER:PASSWORD@HOST:PORT, nats://TOKEN@HOST:PORT
#     tls: { ca_file: …, cert_file: …, key_file: … }
#     pending: 64MiB                     # sent and not confirmed; beyond that publishes are refused
#     confirm_timeout: 5s                # a publish or join that NATS has not confirmed by then fails
brokers:
  memory:
    driver: memory

# A vhost is one application's world: its topics, keys, clients and rules never meet another's. "/" is always there;
# others are paths such as /shop, spoken to at /ws/shop. More can be made at run time (carillon.v1.ControlService).
vhosts:
  /:
    # The brokers that clients may name (default: all of them; the first is used where none is named):
    #   brokers: [memory]
    # Whether every client may join, or those with a permission only: open, private.
    access: open
    # Whether those who may join may publish too. Others need a permission.
    client_publish: false
    # Whether it is known who is in a topic.
    presence: false
    # true: only channels exist that were opened at run time.
    opened_only: false
    # What happens to messages for a client that does not take them: disconnect it, drop_oldest, or keep only the latest
    # of each topic.
    slow_consumer: disconnect
    # How long messages may wait to be written together.
    write_delay: 0
    # The same by topic; the first rule that matches decides. Patterns are: a name; the beginning of names and a *
    # (chat-*); segments between dots, * for any one (prices.*), a last > for one or more; re: and a regular expression.
    #   topics:
    #     - { match: "prices.*", slow_consumer: latest, write_delay: 20ms }
    #     - { match: "staff.>", access: private, max_sessions: 500 }   # max_sessions: on one node
    topics: []
    # What clients without a token may do. connect: false keeps them out.
    anonymous:
      connect: true
      permissions: {}   # such as { join: [news], publish: ["chat-*"], call: [], presence: [] }
    # Tokens of your own issuer, which say who a client is and what it may do:
    #   jwt:
    #     secret: …              # or one of: secret_file, public_key, public_key_file, jwks_url
    #     algorithms: [HS256]    # default: those that fit the key
    #     issuer: …  audience: …  leeway: 30s
    #     claims: { user: sub, permissions: permissions, info: info }
    #   For tokens that are made otherwise:
    #     claims: { issued_at: …, expires_in: … }   # they end by these, too: seconds or ISO 8601, and seconds; default: not asked
    #     require_exp: true        # false: tokens without an expiry are accepted; logged at start
    #     integer_user: false      # true: the user may be an integer; its digits are the user's id
    #     permission_bits: { 2: { join: [news] }, 8: { publish: ["*"] } }   # permissions may be an integer: by bits that are set
    # The secret of the tokens that Carillon issues, 64 characters or more. Default: made once, and kept in the store.
    #   tokens: { secret_file: … }   # or secret
    tokens: {}
    # Where an upgrade may carry a token: Authorization header, Sec-WebSocket-Protocol, a cookie of this name, the query's
    # token. Addresses are logged by proxies, so the query is off.
    credentials:
      header: true
      protocol: true
      cookie: ""
      query: false
    # Backends' keys, as \`carillon key create\` prints them. actions: publish, tokens, connections, topics, channels, keys,
    # vhosts (of "/"), call, presence, work, or "*".
    #   keys:
    #     - { name: shop, hash: "sha256:…", actions: [publish], topics: ["orders.*"] }
    keys: []
    # Backends' certificates by subject, where client_certificates is set:
    #   certificates:
    #     - { subject: "CN=shop,O=Example", actions: [publish] }
    certificates: []
    # Your backend, asked before clients connect, join or publish, and told when they leave (carillon.v1.HookService):
    #   hooks:
    #     url: grpc://127.0.0.1:7001     # or grpcs://, http:// or https:// (Connect-JSON)
    #     events: [connect, join]        # and publish, disconnect
    #     forward: []                    # query, authorization: with the token that is in them; join: the upgrade at joins too
    #     timeout: 2s
    #     on_failure: refuse             # or allow
    #     concurrency: 64
    #     breaker: { failures: 5, pause: 10s }
    #     key: …                         # sent as authorization: Bearer
${joinFragments(dialects, "vhost", 4)}    # Where a number is given: connections, connections_per_user, connections_per_address, handshakes_per_second,
    # handshakes_per_second_per_address, publish_bytes_per_second of a client, topics_per_connection. All are counted on
    # each node.
    limits:
      # Commands of one client, and after a pause so many at once; beyond that they are refused. off: not limited.
      commands_per_second: 2000
      # Bytes of answers to one client; one that has had more is not read until its second is over. off: not limited.
      answer_bytes_per_second: 4MiB

# The client protocols that are spoken, and then where each of them is.
dialects: [${clients.join(", ")}]
${joinFragments(dialects, "node", 0)}
# What is made at run time (vhosts, channels, keys, used tokens) is kept in: memory, until the node stops; file, in a
# folder of this node's own; or nats, for all nodes (needs JetStream; replicas: servers of a NATS cluster that keep it).
#   store: { driver: file, path: /var/lib/carillon }
#   store: { driver: nats, broker: nats, bucket: carillon, replicas: 1 }
store:
  driver: memory

# The NATS broker by which nodes find each other. Default: the first one configured.
#   cluster: { broker: nats }
cluster: {}

# TLS on both ports. Files that change are read again.
#   tls: { cert_file: …, key_file: …, min_version: TLSv1.2 }
# Certificates that backends may show on the gRPC port:
#   client_certificates: { ca_file: …, required: false }

# Proxies whose word is taken for a client's address: X-Forwarded-For, or with proxy_protocol the PROXY protocol (version 2),
# which they then have to speak on both ports.
trusted_proxies: []
proxy_protocol: false

limits:
  # WebSocket connections of this node. Each takes an open file.
  connections: 50000
  # Connections of all ports that have not sent their first request (PROXY header, TLS handshake, head of an HTTP request,
  # HTTP/2 preface, first frame); more are cut. One address gets half of it at most, trusted_proxies aside. It is never more
  # than half of the files that the process may open.
  pending_connections: 10000
  topics_per_connection: 1000
  # Calls to workers of one connection that may be under way at a time.
  calls_per_connection: 100
  topics_per_message: 1000
  # Largest WebSocket frame that a client may send.
  frame: 1MiB
  # Largest payload of a message.
  payload: 1MiB
  # Largest RPC request.
  request: 4MiB
  # Most that one request may become: payloads, and 1 KiB for each, times their topics.
  expanded_request: 64MiB
  # What all ports together may have received, and inflated, of requests and frames that are not complete yet; beyond it
  # they are refused. One key, or one address, gets half of it at most; all callers without a key together get half, and
  # one of them a quarter. At least 4MiB, 6 times request and 8 times frame; more where a
  # dialect has larger frames of its own.
  receiving: 64MiB
  # What one backend may be answered of lists (connections, topics, presence, channels, keys, vhosts) in a second, and after a
  # pause 8 times that at once; beyond it calls are refused. off lifts it.
  backend_answer_bytes_per_second: 4MiB
  # What may wait for one client that reads slowly; beyond that slow_consumer decides.
  outbox: 1MiB
  # So many frames in a row that are no command close a connection.
  malformed_frames: 10

# WebSocket pings: how often, and how long a client may take to answer.
ping:
  interval: 25s
  timeout: 8s

# HTTP; request and answer hold for calls of the gRPC port, too. keep_alive: from one request to the next on a connection; more
# than your load balancer keeps its connections. request: until a request, or a message of a
# WebSocket, has arrived whole; a head has a minute of that.
# answer: a client that takes nothing of its answer for so long is cut off.
timeouts:
  keep_alive: 75s
  request: 2m
  answer: 1m

# Whether permessage-deflate is offered to clients: less to send, for CPU time once per message.
compression: false

# How long a topic that everybody has left stays subscribed.
interest_linger: 2s

# How long a stop may take. What is not done by then is cut off.
stop_timeout: 10s

log:
  # debug, info, warn, error, silent
  level: info
  # pretty, json, or auto (pretty on a terminal)
  format: auto
`;
}

/** Parts of the dialects, indented. */
function joinFragments(dialects: readonly DialectSettings[], where: "node" | "vhost", indent: number): string {
  const fragments = dialects.map(({ settings }) => settings.defaults[where] ?? "");
  return fragments.join("").replaceAll(/^(?=.)/gm, " ".repeat(indent));
}

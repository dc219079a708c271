import type { DialectSettings } from "../dialect-settings.js";
import { enumerate } from "./reference.js";

/**
 * Writes a configuration file to start from: every setting with its default and meaning. A test compares it with the schema.
 * @param filesOnly - top-level keys that environment variables cannot hold
 */
export function writeDefaults(dialects: readonly DialectSettings[], filesOnly: readonly string[]): string {
  const clients = dialects.filter(({ serves }) => serves === "clients").map(({ name }) => name);
  return `# yaml-language-server: $schema=carillon.schema.json
# Carillon's configuration: every key with its default. Every key is optional. The first line lets editors check this
# file and complete its keys: carillon config --schema > carillon.schema.json
# Those outside of ${enumerate(filesOnly)} can also be set by the environment: limits.outbox is
# CARILLON_LIMITS_OUTBOX; lists are separated by commas. tokens.secret of the vhost / is CARILLON_VHOSTS_TOKENS_SECRET, and
# of the vhost /shop CARILLON_VHOSTS_SHOP_TOKENS_SECRET. \`carillon config --explain KEY\` shows the variable of a key.
# SIGHUP and \`carillon reload\` apply changes of this file, as far as a running node can change.

# Addresses to listen on, HOST:PORT. Port 0: any free port, as in the log's "ready" record.
# http: WebSocket, Connect, gRPC-Web, /healthz, /readyz, /metrics, and the try-it page.
http: 127.0.0.1:8080
# The gRPC port; grpc: HOST:PORT is short for this. server: grpc-js, or native, Carillon's own HTTP/2 server, which is new and
# takes less CPU time. max_connection_age: age at which a connection ends once its calls are answered, such as 1h, or off.
grpc:
  listen: 127.0.0.1:6001
  server: grpc-js
  max_connection_age: off

# Processes that serve these ports, each of them a node: a number, or auto (one for each core). More than 1 need NATS brokers
# and a store in NATS; carillon serve --with-nats provides both.
processes: 1

# true: allow addresses other than loopback without requiring keys.
insecure: false

# Separate address for /healthz, /readyz and /metrics, which http then no longer serves:
#   admin: { listen: 127.0.0.1:9090 }
# Dashboard at /admin of http: on, off, or auto (on with a password, and on loopback without keys and proxies).
#   admin: { password_hash: "scrypt:…" }   # carillon admin password
# With dashboard: on, keys with the action admin can sign in, too. Without actions the dashboard only reads.
admin:
  dashboard: auto
  actions: false
  session: 12h

# Origins of pages that may connect: "*", exact ones, or with one "*" as the port or in the host (https://*.example.com).
# Files and sandboxed frames have the origin "null" or file://. Clients other than browsers send no origin.
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

# The try-it page at "/": on, off, or auto (on when http listens on loopback without trusted_proxies).
page: auto

# Brokers by name, which carry messages between nodes. A NATS broker:
#   nats:
#     driver: nats
#     servers: [nats://127.0.0.1:4222]   # or tls://…: then no server is contacted in the clear
#     prefix: carillon                   # subjects are <prefix>.<vhost>.<topic>
#     client_name: carillon              # name of the connection in NATS monitoring
#     user: …  password_file: …          # or password; or one of: token_file, token, nkey_file, creds_file; or in a URL,
#                                        # percent-encoded: nats://USER:PASSWORD@HOST:PORT, nats://TOKEN@HOST:PORT
#     tls: { ca_file: …, cert_file: …, key_file: … }
#     pending: 64MiB                     # sent and not confirmed; further publishes are refused
#     confirm_timeout: 5s                # a publish or join that NATS has not confirmed by then fails
brokers:
  memory:
    driver: memory

# A vhost is the isolated namespace of one application: its topics, keys, clients and rules. "/" always exists; others
# are paths such as /shop, served at /ws/shop. More can be created at run time (carillon.v1.ControlService).
vhosts:
  /:
    # The brokers that clients may name; the first is the default. Default: all brokers.
    #   brokers: [memory]
    # open: every client may join; private: joining needs a permission.
    access: open
    # Whether clients that may join may publish too. Otherwise publishing needs a permission.
    client_publish: false
    # Whether the members of a topic are tracked.
    presence: false
    # true: allow only channels that were opened at run time.
    opened_only: false
    # Policy for a client that reads too slowly: disconnect it, drop_oldest messages, or keep only the latest of each
    # topic.
    slow_consumer: disconnect
    # How long messages may wait to be written together.
    write_delay: 0
    # The same by topic; the first matching rule applies. Patterns: a name; a prefix with * (chat-*); segments between dots,
    # with * for exactly one (prices.*) and a last > for one or more; re: with a regular expression.
    #   topics:
    #     - { match: "prices.*", slow_consumer: latest, write_delay: 20ms }
    #     - { match: "staff.>", access: private, max_sessions: 500 }   # max_sessions: per node
    #     - { match: "room.*", history: chat }                         # a class of history, or off
    topics: []
    # History classes: how many messages of each topic are stored, and for how long. Each key is optional:
    #   history:
    #     chat:
    #       messages: 100          # maximum number of messages of one topic
    #       age: 5m                # how long a message is kept
    #       bytes: 64MiB           # maximum size of all topics of the class; the oldest messages are removed first
    #       topic_bytes: …         # maximum size of one topic; default: only bytes applies
    #       storage: file          # or memory; where NATS servers keep the messages
    #       replicas: 1            # number of NATS servers that keep each message
    #       deduplication: 2m      # how long a repeated message id is recognized; at most age
    history: {}
    # The class of topics whose rule names none. Default: they have no history.
    #   default_history: chat
    # Permissions of every client. connect: false refuses clients without a token.
    anonymous:
      connect: true
      permissions: {}   # such as { join: [news], publish: ["chat-*"], call: [], presence: [], history: [] }
    # Tokens of your own issuer, with a client's user and permissions:
    #   jwt:
    #     secret: …              # or one of: secret_file, public_key, public_key_file, jwks_url
    #     algorithms: [HS256]    # default: those that fit the key
    #     issuer: …  audience: …  leeway: 30s
    #     claims: { user: sub, permissions: permissions, info: info }
    #   For other tokens:
    #     claims: { issued_at: …, expires_in: … }   # time of issue (seconds or ISO 8601) and duration in seconds; default: none
    #     require_exp: true        # false: accept tokens without an expiry; logged at start
    #     integer_user: false      # true: accept an integer as the user; its digits are the id
    #     permission_bits: { 2: { join: [news] }, 8: { publish: ["*"] } }   # permissions by bit, for integer permissions
    # The secret of the tokens that Carillon issues, 64 characters or more. Default: generated once and kept in the store.
    #   tokens: { secret_file: … }   # or secret
    tokens: {}
    # Where an upgrade may carry a token: the Authorization header, Sec-WebSocket-Protocol, a cookie of this name, the
    # query parameter token. The query is off because proxies log it.
    credentials:
      header: true
      protocol: true
      cookie: ""
      query: false
    # Backends' keys, as \`carillon key create\` prints them. actions: publish, tokens, connections, topics, channels, keys,
    # vhosts (of "/"), call, presence, work, history, subscribe, admin, or "*".
    #   keys:
    #     - { name: shop, hash: "sha256:…", actions: [publish], topics: ["orders.*"] }
    keys: []
    # Client certificates of backends, by subject. Needs client_certificates:
    #   certificates:
    #     - { subject: "CN=shop,O=Example", actions: [publish] }
    certificates: []
    # Your backend, which decides about connects, joins and publishes, and is notified of disconnects (carillon.v1.HookService):
    #   hooks:
    #     url: grpc://127.0.0.1:7001     # or grpcs://, http:// or https:// (Connect-JSON)
    #     events: [connect, join]        # and publish, disconnect
    #     forward: []                    # query, authorization: with their token; join: the upgrade at each join
    #     timeout: 2s
    #     on_failure: refuse             # or allow
    #     concurrency: 64
    #     breaker: { failures: 5, pause: 10s }
    #     key_file: …                    # or key; sent as authorization: Bearer
${joinFragments(dialects, "vhost", 4)}    # Off unless set: connections, connections_per_user, connections_per_address, handshakes_per_second,
    # handshakes_per_second_per_address, publish_bytes_per_second of a client, topics_per_connection. Each node counts
    # separately. Also off: history, the maximum size of all history classes together.
    limits:
      # Commands of one client, with a burst of as many; further commands are refused. off: no limit.
      commands_per_second: 2000
      # Bytes of answers to one client. Beyond it, the client is not read until its rate is below the limit. off: no limit.
      answer_bytes_per_second: 4MiB

# The client protocols that the node serves, followed by their settings.
dialects: [${clients.join(", ")}]
${joinFragments(dialects, "node", 0)}
# Where run-time state (vhosts, channels, keys, used tokens) is kept. memory: until the node stops. file: in a folder that
# no other node uses. nats: for all nodes (needs JetStream; replicas: number of NATS servers that keep it).
#   store: { driver: file, path: /var/lib/carillon }
#   store: { driver: nats, broker: nats, bucket: carillon, replicas: 1 }
store:
  driver: memory

# The NATS broker through which nodes find each other. Default: the first NATS broker.
#   cluster: { broker: nats }
cluster: {}

# TLS on http, grpc and admin.listen, and on the ports of dialects that support it. The files are read again when they
# change.
#   tls: { cert_file: …, key_file: …, min_version: TLSv1.2 }
# Client certificates of backends on the gRPC port:
#   client_certificates: { ca_file: …, required: false }

# Proxies that are trusted to report a client's address: in X-Forwarded-For or, with proxy_protocol, by the PROXY protocol
# (version 2), which is then required from them on every port.
trusted_proxies: []
proxy_protocol: false

limits:
  # WebSocket connections of the node. Each uses an open file.
  connections: 50000
  # Connections of all ports that have not sent their first request (PROXY header, TLS handshake, head of an HTTP request,
  # HTTP/2 preface, first frame); further ones are closed. One address gets at most half, except trusted_proxies. Never more
  # than half of the files that the process may open.
  pending_connections: 10000
  topics_per_connection: 1000
  # Pending calls of workers by one connection.
  calls_per_connection: 100
  topics_per_message: 1000
  # Largest WebSocket frame that a client may send.
  frame: 1MiB
  # Largest payload of a message.
  payload: 1MiB
  # Largest RPC request.
  request: 4MiB
  # Largest expanded request: each payload plus 1 KiB, times its topics.
  expanded_request: 64MiB
  # Received and decompressed bytes of incomplete requests and frames on all ports; further ones are refused. One key or
  # address gets at most half; all callers without a key together get half, and one of them a quarter. At least 4MiB,
  # 6 times request and 8 times frame; more for a dialect with larger frames of its own.
  receiving: 64MiB
  # Bytes per second of list answers (connections, topics, presence, channels, keys, vhosts) to one key, with a burst of 8
  # times as much; further calls are refused. off: no limit.
  backend_answer_bytes_per_second: 4MiB
  # Maximum size of the history classes that the memory broker keeps, over all vhosts.
  history: 1GiB
  # Stored messages and their payload bytes that one join may request, of all its topics. A longer recovery fails; otherwise
  # the client gets the newest messages.
  replay_messages: 1000
  replay_bytes: 4MiB
  # Bytes that wait for one slow client. Beyond it slow_consumer applies.
  outbox: 1MiB
  # Consecutive malformed frames that close a connection.
  malformed_frames: 10

# WebSocket pings: their interval, and the time a client has to answer.
ping:
  interval: 25s
  timeout: 8s

# HTTP; request and answer also apply to calls of the gRPC port.
# keep_alive: idle time between two requests of a connection; set it longer than your load balancer's.
# request: time in which a request or a WebSocket message must arrive completely; the head of a request has one minute.
# answer: a client that reads nothing of its answer for this time is disconnected.
timeouts:
  keep_alive: 75s
  request: 2m
  answer: 1m

# Whether to offer permessage-deflate to clients: smaller messages, for CPU time once per message.
compression: false

# Whether to write WebSocket frames to TCP connections without Node's streams, which takes less CPU time. Only on Linux
# and macOS, and never with TLS.
direct_writes: true

# How long a topic stays subscribed after its last session has left.
interest_linger: 2s

# A signal to stop ends the readiness. After delay, new clients are refused (set it longer than your load balancer's interval
# of health checks), and connections are closed: rate per second, for timeout; then all others. They are advised to come back
# after 1 s up to spread.
drain:
  delay: 0
  rate: 1000
  timeout: 5s
  spread: 10s

# Time that the rest of a graceful stop may take. Requests that are not finished by then are aborted.
stop_timeout: 10s

# Clients per second that may connect, with a burst of as many; others are refused with 503 and Retry-After. off: no limit.
admission:
  rate: off

# Age at which clients are closed, give or take a tenth, and advised to come back at once, so that they spread over the nodes
# again, such as 6h. off: never.
max_connection_age: off

log:
  # debug, info, warn, error, silent
  level: info
  # pretty, json, or auto (pretty on a terminal)
  format: auto
`;
}

/** Joins the dialects' parts of the file, indented. */
function joinFragments(dialects: readonly DialectSettings[], where: "node" | "vhost", indent: number): string {
  const fragments = dialects.map(({ settings }) => settings.defaults[where] ?? "");
  return fragments.join("").replaceAll(/^(?=.)/gm, " ".repeat(indent));
}

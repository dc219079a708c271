/** Every setting with its default and meaning, as a file that can be started from. A test holds it against the schema. */
export const DEFAULTS_YAML = `# Carillon's configuration: every key with its default. All of them may be left out.
# Each can also be set by the environment: limits.outbox is CARILLON_LIMITS_OUTBOX; lists are separated by commas.

# Where to listen, HOST:PORT. Port 0: any free one, told in the log's "ready" record.
# http: WebSocket, Connect, gRPC-Web, /healthz, /readyz, /metrics, and the page to try it in.
http: 127.0.0.1:8080
grpc: 127.0.0.1:6001

# true: listen on other than loopback addresses although nobody is asked for a key.
insecure: false

# Origins of pages that may connect: "*", exact ones, or with one "*" in them. Clients that are no browser send none.
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

# The default vhost: the brokers that its clients may name (default: all of them; the first is used where none is
# named), and whether its clients may publish. slow_consumer says what happens to messages for a client that does not
# take them: disconnect it, drop_oldest, or keep only the latest of each topic. write_delay is how long messages may wait
# to be written together. Both can be set by topic; the first rule that matches decides:
#   topics:
#     - { match: "prices.*", slow_consumer: latest, write_delay: 20ms }
vhosts:
  /:
    client_publish: false
    slow_consumer: disconnect
    write_delay: 0
    topics: []

limits:
  # WebSocket connections of this node. Each takes an open file.
  connections: 50000
  topics_per_connection: 1000
  topics_per_message: 1000
  # Largest WebSocket frame that a client may send.
  frame: 1MiB
  # Largest payload of a message.
  payload: 1MiB
  # Largest RPC request.
  request: 4MiB
  # Most that one request may become: payloads, and 256 bytes for each, times their topics.
  expanded_request: 64MiB
  # What may wait for one client that reads slowly; beyond that slow_consumer decides.
  outbox: 1MiB
  # So many frames in a row that are no command close a connection.
  malformed_frames: 10

# WebSocket pings: how often, and how long a client may take to answer.
ping:
  interval: 25s
  timeout: 8s

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

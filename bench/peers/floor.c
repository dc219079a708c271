// The least that a server can do on this system: one send() per message and socket, in C.
//
// It prints its port, and accepts WebSocket clients, each of which joins one topic, t0 to t999999. Turns arrive on standard
// input: the number of messages, then for each the number of its topic, the length of its frame, and the frame (numbers
// have 32 bits, least significant byte first). When all frames of a turn are sent, one byte is written to standard output.
// It ends with its standard input. It does not read from clients that have joined, and checks nothing: its only client is
// the load of the benchmark.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOPICS = 1000000, LARGEST = 65536 };

struct topic {
  int *sockets;
  int count;
  int capacity;
};

static struct topic topics[TOPICS];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

// Reads from standard input; returns 0 at its end.
static int take(void *into, size_t length) {
  for (size_t got = 0; got < length;) {
    ssize_t more = read(STDIN_FILENO, (char *)into + got, length - got);
    if (more <= 0) return 0;
    got += (size_t)more;
  }
  return 1;
}

static void join(unsigned number, int client) {
  struct topic *topic = &topics[number];
  if (topic->count == topic->capacity) {
    topic->capacity = topic->capacity == 0 ? 1 : topic->capacity * 2;
    topic->sockets = realloc(topic->sockets, sizeof(int) * (size_t)topic->capacity);
    if (topic->sockets == NULL) fail("realloc");
  }
  topic->sockets[topic->count++] = client;
}

// Reads until a text is in the buffer; returns 0 when the client has left.
static int read_until(int client, char *buffer, size_t size, const char *text) {
  size_t length = 0;
  do {
    ssize_t more = recv(client, buffer + length, size - 1 - length, 0);
    if (more <= 0) return 0;
    length += (size_t)more;
    buffer[length] = '\0';
  } while (memmem(buffer, length, text, strlen(text)) == NULL && length < size - 1);
  return 1;
}

// Makes the handshake and the join of a client. The load masks with zeros and always sends the same key.
static void welcome(int client) {
  static const char upgrade[] =
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
      "sec-websocket-accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";
  static const char joined[] = "\x81\x02{}";
  int on = 1;
  char buffer[4096] = "";
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!read_until(client, buffer, sizeof buffer, "\r\n\r\n")) goto left;
  send(client, upgrade, sizeof upgrade - 1, 0);
  if (!read_until(client, buffer, sizeof buffer, "]}")) goto left;
  const char *topic = memmem(buffer, sizeof buffer, "[\"t", 3);
  if (topic == NULL) goto left;
  join((unsigned)strtoul(topic + 3, NULL, 10) % TOPICS, client);
  send(client, joined, sizeof joined - 1, 0);
  return;
left:
  close(client);
}

static void deliver(struct topic *topic, const char *frame, size_t length) {
  for (int at = 0; at < topic->count;) {
    if (send(topic->sockets[at], frame, length, 0) == (ssize_t)length) {
      at++;
    } else {
      close(topic->sockets[at]);
      topic->sockets[at] = topic->sockets[--topic->count];
    }
  }
}

// Delivers the messages of one turn; returns 0 at the end of the input.
static int turn(void) {
  static char frame[LARGEST];
  uint32_t messages;
  if (!take(&messages, sizeof messages)) return 0;
  for (; messages > 0; messages--) {
    uint32_t head[2];
    if (!take(head, sizeof head)) return 0;
    if (head[0] >= TOPICS || head[1] > LARGEST || !take(frame, head[1])) return 0;
    deliver(&topics[head[0]], frame, head[1]);
  }
  return write(STDOUT_FILENO, ".", 1) == 1;
}

int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "--version") == 0) return puts("floor") < 0;
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &size) != 0)
    fail("listen");
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  struct pollfd sources[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
  for (;;) {
    if (poll(sources, 2, -1) < 0) fail("poll");
    if (sources[1].revents != 0) {
      int client = accept(listener, NULL, NULL);
      if (client < 0) fail("accept");
      welcome(client);
    }
    if (sources[0].revents != 0 && !turn()) return 0;
  }
}

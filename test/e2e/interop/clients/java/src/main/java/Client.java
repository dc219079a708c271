import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptors;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/** Client of grpc-java that a test controls line by line: see ../README.md. */
public class Client {
  static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<>() {
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        }
      };

  static synchronized void say(Object... fields) {
    var line = new StringBuilder();
    for (var field : fields) line.append(line.length() == 0 ? "" : " ").append(field);
    System.out.println(line);
    System.out.flush();
  }

  static String encode(byte[] bytes) {
    return bytes == null || bytes.length == 0 ? "-" : Base64.getEncoder().encodeToString(bytes);
  }

  static byte[] decode(String text) {
    return text.equals("-") ? new byte[0] : Base64.getDecoder().decode(text);
  }

  static void sayStatus(String id, Status status, Metadata trailers) {
    var message = status.getDescription() == null ? "" : status.getDescription();
    var details = trailers == null ? null : trailers.get(DETAILS);
    say(id, "status", status.getCode().value(), encode(message.getBytes()), encode(details));
  }

  static MethodDescriptor<byte[], byte[]> method(String path, MethodType type) {
    return MethodDescriptor.newBuilder(BYTES, BYTES).setType(type).setFullMethodName(path.substring(1)).build();
  }

  /** Begins a call with "-" or a list of options such as "deadline=500,gzip,metadata=NAME:BASE64". */
  static ClientCall<byte[], byte[]> begin(ManagedChannel channel, String path, MethodType type, String options) {
    var call = CallOptions.DEFAULT;
    var metadata = new Metadata();
    for (var option : options.split(",")) {
      var parts = option.split("=", 2);
      switch (parts[0]) {
        case "deadline" -> call = call.withDeadlineAfter(Long.parseLong(parts[1]), TimeUnit.MILLISECONDS);
        case "gzip" -> call = call.withCompression("gzip");
        case "metadata" -> {
          var pair = parts[1].split(":", 2);
          if (pair[0].endsWith("-bin")) {
            metadata.put(Metadata.Key.of(pair[0], Metadata.BINARY_BYTE_MARSHALLER), decode(pair[1]));
          } else {
            metadata.put(Metadata.Key.of(pair[0], Metadata.ASCII_STRING_MARSHALLER), new String(decode(pair[1])));
          }
        }
        default -> {}
      }
    }
    var interceptor = MetadataUtils.newAttachHeadersInterceptor(metadata);
    return ClientInterceptors.intercept(channel, interceptor).newCall(method(path, type), call);
  }

  static void unary(ManagedChannel channel, String id, String path, String options, String request) {
    try {
      var answer = ClientCalls.blockingUnaryCall(begin(channel, path, MethodType.UNARY, options), decode(request));
      say(id, "message", encode(answer));
      sayStatus(id, Status.OK, null);
    } catch (StatusRuntimeException error) {
      sayStatus(id, error.getStatus(), error.getTrailers());
    }
  }

  static void repeat(ManagedChannel channel, String[] field) throws InterruptedException {
    var begun = new AtomicInteger();
    var succeeded = new AtomicInteger();
    var failure = new AtomicReference<>(new StatusException(Status.OK));
    var threads = new Thread[Integer.parseInt(field[6])];
    for (var index = 0; index < threads.length; index += 1) {
      threads[index] = new Thread(() -> {
        while (begun.incrementAndGet() <= Integer.parseInt(field[5])) {
          try {
            ClientCalls.blockingUnaryCall(begin(channel, field[2], MethodType.UNARY, field[3]), decode(field[4]));
            succeeded.incrementAndGet();
          } catch (StatusRuntimeException error) {
            failure.set(new StatusException(error.getStatus(), error.getTrailers()));
          }
        }
      });
      threads[index].start();
    }
    for (var thread : threads) thread.join();
    say(field[1], "repeated", succeeded.get());
    sayStatus(field[1], failure.get().getStatus(), failure.get().getTrailers());
  }

  /** Stream that sends only while the transport is ready. */
  static class Stream extends ClientCall.Listener<byte[]> {
    final String id;
    final ClientCall<byte[], byte[]> call;
    final Queue<byte[]> requests = new ArrayDeque<>();
    boolean ended = false;
    boolean closed = false;

    Stream(ManagedChannel channel, String id, String path, String options) {
      this.id = id;
      call = begin(channel, path, MethodType.BIDI_STREAMING, options);
      call.start(this, new Metadata());
      call.request(1);
    }

    synchronized void send(byte[] request) {
      requests.add(request);
      flush();
    }

    synchronized void end() {
      ended = true;
      flush();
    }

    private synchronized void flush() {
      while (!closed && call.isReady() && !requests.isEmpty()) call.sendMessage(requests.remove());
      if (closed || !ended || !requests.isEmpty()) return;
      closed = true;
      call.halfClose();
    }

    @Override
    public void onReady() {
      flush();
    }

    @Override
    public void onMessage(byte[] answer) {
      say(id, "message", encode(answer));
      call.request(1);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      synchronized (this) {
        closed = true;
      }
      sayStatus(id, status, trailers);
    }
  }

  static ManagedChannel connect(String[] args) throws IOException {
    var settings = new HashMap<String, String>();
    for (var index = 1; index < args.length; index += 1) {
      var parts = args[index].split("=", 2);
      settings.put(parts[0], parts[1]);
    }
    var tls = TlsChannelCredentials.newBuilder();
    if (settings.containsKey("ca")) tls.trustManager(new File(settings.get("ca")));
    if (settings.containsKey("identity")) {
      var files = settings.get("identity").split(":");
      tls.keyManager(new File(files[0]), new File(files[1]));
    }
    var security = settings.containsKey("ca") ? tls.build() : InsecureChannelCredentials.create();
    var channel = Grpc.newChannelBuilder(args[0], security).maxInboundMessageSize(64 << 20);
    if (settings.containsKey("ping")) {
      channel.keepAliveTime(Long.parseLong(settings.get("ping")), TimeUnit.MILLISECONDS).keepAliveWithoutCalls(true);
    }
    return channel.build();
  }

  static void start(Task task) {
    var thread = new Thread(() -> {
      try {
        task.run();
      } catch (Exception error) {
        error.printStackTrace();
      }
    });
    thread.setDaemon(true);
    thread.start();
  }

  interface Task {
    void run() throws Exception;
  }

  public static void main(String[] args) throws IOException {
    var channel = connect(args);
    Map<String, Stream> streams = new HashMap<>();
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (var line = lines.readLine(); line != null; line = lines.readLine()) {
      var field = line.split(" ");
      switch (field[0]) {
        case "call" -> start(() -> unary(channel, field[1], field[2], field[3], field[4]));
        case "repeat" -> start(() -> repeat(channel, field));
        case "open" -> streams.put(field[1], new Stream(channel, field[1], field[2], field[3]));
        case "send" -> streams.get(field[1]).send(decode(field[2]));
        case "end" -> streams.get(field[1]).end();
        case "cancel" -> streams.get(field[1]).call.cancel("cancelled by the test", null);
        default -> throw new IllegalArgumentException(line);
      }
    }
    System.exit(0);
  }
}

// Client of grpc-go that a test controls line by line: see ../README.md.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"google.golang.org/protobuf/proto"
)

// rawCodec passes messages on as bytes.
type rawCodec struct{}

func (rawCodec) Marshal(value any) ([]byte, error) { return *value.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, value any) error {
	*value.(*[]byte) = append([]byte(nil), data...)
	return nil
}
func (rawCodec) Name() string { return "proto" }

var output sync.Mutex

func say(fields ...string) {
	output.Lock()
	defer output.Unlock()
	fmt.Println(strings.Join(fields, " "))
}

func encode(bytes []byte) string {
	if len(bytes) == 0 {
		return "-"
	}
	return base64.StdEncoding.EncodeToString(bytes)
}

func decode(text string) []byte {
	if text == "-" {
		return []byte{}
	}
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		log.Fatal(err)
	}
	return bytes
}

func sayStatus(id string, err error) {
	result := status.Convert(err)
	var details []byte
	if proto := result.Proto(); proto != nil && len(proto.Details) > 0 {
		details = marshal(proto)
	}
	say(id, "status", strconv.Itoa(int(result.Code())), encode([]byte(result.Message())), encode(details))
}

func marshal(message proto.Message) []byte {
	bytes, err := proto.Marshal(message)
	if err != nil {
		log.Fatal(err)
	}
	return bytes
}

// options reads "-" or a list such as "deadline=500,gzip,metadata=NAME:BASE64".
func options(text string) (context.Context, context.CancelFunc, []grpc.CallOption) {
	ctx, cancel := context.WithCancel(context.Background())
	call := []grpc.CallOption{grpc.ForceCodec(rawCodec{})}
	for _, option := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "deadline":
			milliseconds, _ := strconv.Atoi(value)
			deadline, stop := context.WithTimeout(ctx, time.Duration(milliseconds)*time.Millisecond)
			before := cancel
			ctx, cancel = deadline, func() { stop(); before() }
		case "gzip":
			call = append(call, grpc.UseCompressor(gzip.Name))
		case "metadata":
			key, encoded, _ := strings.Cut(value, ":")
			ctx = metadata.AppendToOutgoingContext(ctx, key, string(decode(encoded)))
		}
	}
	return ctx, cancel, call
}

func unary(connection *grpc.ClientConn, path, opts, request string) ([]byte, error) {
	ctx, cancel, call := options(opts)
	defer cancel()
	bytes := decode(request)
	var answer []byte
	err := connection.Invoke(ctx, path, &bytes, &answer, call...)
	return answer, err
}

func repeat(connection *grpc.ClientConn, id, path, opts, request string, count, parallel int) {
	var begun, succeeded atomic.Int64
	var failure atomic.Value
	var group sync.WaitGroup
	for range parallel {
		group.Add(1)
		go func() {
			defer group.Done()
			for begun.Add(1) <= int64(count) {
				if _, err := unary(connection, path, opts, request); err != nil {
					failure.Store(status.Convert(err))
				} else {
					succeeded.Add(1)
				}
			}
		}()
	}
	group.Wait()
	say(id, "repeated", strconv.FormatInt(succeeded.Load(), 10))
	result, _ := failure.Load().(*status.Status)
	sayStatus(id, result.Err())
}

type stream struct {
	grpc.ClientStream
	cancel context.CancelFunc
	// Requests in order; closed when the caller has no more.
	requests chan []byte
}

func open(connection *grpc.ClientConn, id, path, opts string) *stream {
	ctx, cancel, call := options(opts)
	desc := &grpc.StreamDesc{StreamName: "stream", ServerStreams: true, ClientStreams: true}
	opened, err := connection.NewStream(ctx, desc, path, call...)
	if err != nil {
		sayStatus(id, err)
		return &stream{cancel: cancel, requests: make(chan []byte, 1_000_000)}
	}
	result := &stream{opened, cancel, make(chan []byte, 1_000_000)}
	go func() {
		for request := range result.requests {
			if opened.SendMsg(&request) != nil {
				return
			}
		}
		opened.CloseSend()
	}()
	go func() {
		defer cancel()
		for {
			var answer []byte
			if err := opened.RecvMsg(&answer); err != nil {
				if err == io.EOF {
					err = nil
				}
				sayStatus(id, err)
				return
			}
			say(id, "message", encode(answer))
		}
	}()
	return result
}

func dial(address string, settings []string) *grpc.ClientConn {
	var more []grpc.DialOption
	config := &tls.Config{}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		switch name {
		case "ca":
			pem, err := os.ReadFile(value)
			if err != nil {
				log.Fatal(err)
			}
			config.RootCAs = x509.NewCertPool()
			config.RootCAs.AppendCertsFromPEM(pem)
		case "identity":
			cert, key, _ := strings.Cut(value, ":")
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				log.Fatal(err)
			}
			config.Certificates = []tls.Certificate{pair}
		case "ping":
			milliseconds, _ := strconv.Atoi(value)
			more = append(more, grpc.WithKeepaliveParams(keepalive.ClientParameters{
				Time:                time.Duration(milliseconds) * time.Millisecond,
				PermitWithoutStream: true,
			}))
		}
	}
	security := insecure.NewCredentials()
	if config.RootCAs != nil {
		security = credentials.NewTLS(config)
	}
	sizes := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20))
	connection, err := grpc.NewClient(address, append(more, grpc.WithTransportCredentials(security), sizes)...)
	if err != nil {
		log.Fatal(err)
	}
	return connection
}

func main() {
	connection := dial(os.Args[1], os.Args[2:])
	streams := map[string]*stream{}
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		field := strings.Fields(line)
		id := field[1]
		switch field[0] {
		case "call":
			go func() {
				answer, err := unary(connection, field[2], field[3], field[4])
				if err == nil {
					say(id, "message", encode(answer))
				}
				sayStatus(id, err)
			}()
		case "repeat":
			count, _ := strconv.Atoi(field[5])
			parallel, _ := strconv.Atoi(field[6])
			go repeat(connection, id, field[2], field[3], field[4], count, parallel)
		case "open":
			streams[id] = open(connection, id, field[2], field[3])
		case "send":
			streams[id].requests <- decode(field[2])
		case "end":
			close(streams[id].requests)
		case "cancel":
			streams[id].cancel()
		}
	}
}

//! Client of tonic that a test controls line by line: see ../README.md.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::{engine::general_purpose::STANDARD, Engine};
use bytes::{Buf, BufMut, Bytes};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataKey, BinaryMetadataKey, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

/// Passes messages on as bytes.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

fn encode(bytes: &[u8]) -> String {
    if bytes.is_empty() { "-".into() } else { STANDARD.encode(bytes) }
}

fn decode(text: &str) -> Bytes {
    if text == "-" { Bytes::new() } else { STANDARD.decode(text).expect("base64").into() }
}

fn say_status(id: &str, result: Result<(), Status>) {
    let status = result.err().unwrap_or_else(|| Status::ok(""));
    let (code, message, details) = (status.code() as i32, status.message().as_bytes(), status.details());
    println!("{id} status {code} {} {}", encode(message), encode(details));
}

fn say_message(id: &str, answer: &Bytes) {
    println!("{id} message {}", encode(answer));
}

/// Reads "-" or a list of options such as "deadline=500,gzip,metadata=NAME:BASE64".
fn prepare<T>(channel: &Channel, options: &str, message: T) -> (Grpc<Channel>, Request<T>) {
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(64 << 20);
    let mut request = Request::new(message);
    for option in options.split(',') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "deadline" => request.set_timeout(Duration::from_millis(value.parse().expect("milliseconds"))),
            "gzip" => client = client.send_compressed(CompressionEncoding::Gzip),
            "deflate" => client = client.send_compressed(CompressionEncoding::Deflate),
            "metadata" => {
                let (key, data) = value.split_once(':').expect("NAME:BASE64");
                let data = decode(data);
                let map = request.metadata_mut();
                if key.ends_with("-bin") {
                    let key = BinaryMetadataKey::from_bytes(key.as_bytes()).expect("key");
                    map.append_bin(key, MetadataValue::from_bytes(&data));
                } else {
                    let key = AsciiMetadataKey::from_bytes(key.as_bytes()).expect("key");
                    map.append(key, MetadataValue::try_from(data.as_ref()).expect("value"));
                }
            }
            _ => {}
        }
    }
    (client, request)
}

async fn unary(channel: &Channel, path: &str, options: &str, request: Bytes) -> Result<Bytes, Status> {
    let (mut client, request) = prepare(channel, options, request);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok(client.unary(request, path.parse().expect("path"), Raw).await?.into_inner())
}

async fn repeat(channel: Channel, field: Vec<String>) {
    let count: usize = field[5].parse().expect("count");
    let begun = Arc::new(AtomicUsize::new(0));
    let succeeded = Arc::new(AtomicUsize::new(0));
    let failure = Arc::new(Mutex::new(None));
    let tasks: Vec<_> = (0..field[6].parse().expect("parallel"))
        .map(|_| {
            let (channel, field) = (channel.clone(), field.clone());
            let (begun, succeeded, failure) = (begun.clone(), succeeded.clone(), failure.clone());
            tokio::spawn(async move {
                while begun.fetch_add(1, Ordering::SeqCst) < count {
                    match unary(&channel, &field[2], &field[3], decode(&field[4])).await {
                        Ok(_) => drop(succeeded.fetch_add(1, Ordering::SeqCst)),
                        Err(status) => *failure.lock().expect("lock") = Some(status),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("task");
    }
    println!("{} repeated {}", field[1], succeeded.load(Ordering::SeqCst));
    let failure = failure.lock().expect("lock").take();
    say_status(&field[1], failure.map_or(Ok(()), Err));
}

struct Stream {
    requests: Option<mpsc::UnboundedSender<Bytes>>,
    cancel: Option<oneshot::Sender<()>>,
}

fn open(channel: Channel, id: String, path: String, options: String) -> Stream {
    let (requests, received) = mpsc::unbounded_channel();
    let (cancel, cancelled) = oneshot::channel();
    tokio::spawn(async move {
        let stream = read(&channel, &id, &path, &options, received);
        let result = tokio::select! {
            result = stream => result,
            Ok(()) = cancelled => Err(Status::cancelled("cancelled by the test")),
        };
        say_status(&id, result);
    });
    Stream { requests: Some(requests), cancel: Some(cancel) }
}

async fn read(
    channel: &Channel,
    id: &str,
    path: &str,
    options: &str,
    requests: mpsc::UnboundedReceiver<Bytes>,
) -> Result<(), Status> {
    let (mut client, request) = prepare(channel, options, UnboundedReceiverStream::new(requests));
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut answers = client.streaming(request, path.parse().expect("path"), Raw).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        say_message(id, &answer);
    }
    Ok(())
}

fn connect(args: &[String]) -> Result<Channel, Box<dyn Error>> {
    let settings: HashMap<_, _> = args[1..].iter().filter_map(|setting| setting.split_once('=')).collect();
    let scheme = if settings.contains_key("ca") { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", args[0]))?;
    if let Some(ca) = settings.get("ca") {
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read(ca)?));
        if let Some((certificate, key)) = settings.get("identity").and_then(|files| files.split_once(':')) {
            tls = tls.identity(Identity::from_pem(std::fs::read(certificate)?, std::fs::read(key)?));
        }
        endpoint = endpoint.tls_config(tls)?;
    }
    if let Some(ping) = settings.get("ping") {
        endpoint = endpoint
            .http2_keep_alive_interval(Duration::from_millis(ping.parse()?))
            .keep_alive_while_idle(true);
    }
    Ok(endpoint.connect_lazy())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let channel = connect(&args)?;
    let mut streams: HashMap<String, Stream> = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let field: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (id, channel) = (field[1].clone(), channel.clone());
        match field[0].as_str() {
            "call" => drop(tokio::spawn(async move {
                let result = unary(&channel, &field[2], &field[3], decode(&field[4])).await;
                if let Ok(answer) = &result {
                    say_message(&id, answer);
                }
                say_status(&id, result.map(drop));
            })),
            "repeat" => drop(tokio::spawn(repeat(channel, field))),
            "open" => drop(streams.insert(id.clone(), open(channel, id, field[2].clone(), field[3].clone()))),
            "send" => {
                let requests = streams[&id].requests.as_ref().expect("an open stream");
                let _ = requests.send(decode(&field[2]));
            }
            "end" => streams.get_mut(&id).expect("stream").requests = None,
            "cancel" => drop(streams.get_mut(&id).and_then(|stream| stream.cancel.take()).map(|cancel| cancel.send(()))),
            _ => return Err(line.into()),
        }
    }
    Ok(())
}

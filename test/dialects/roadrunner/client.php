<?php
// A client of RoadRunner's RPC in plain PHP, written from the protocol's description. It publishes "hello" to
// the given topics by broadcast.Publish, then to an invalid topic, and prints the answers, one JSON object a line.
// Usage: php client.php tcp://HOST:PORT|unix:///PATH TOPIC...
declare(strict_types=1);

function field(int $number, string $value): string
{
    $length = strlen($value);
    $varint = '';
    while ($length > 127) {
        $varint .= chr($length & 127 | 128);
        $length >>= 7;
    }
    return chr($number << 3 | 2) . $varint . chr($length) . $value;
}

function request(array $topics, string $payload): string
{
    $message = field(1, 'publish');
    foreach ($topics as $topic) {
        $message .= field(2, $topic);
    }
    return field(1, $message . field(3, $payload));
}

function read(mixed $socket, int $count): string
{
    $bytes = '';
    while (strlen($bytes) < $count) {
        $chunk = fread($socket, $count - strlen($bytes));
        if ($chunk === false || $chunk === '') {
            throw new RuntimeException('the connection has ended');
        }
        $bytes .= $chunk;
    }
    return $bytes;
}

function call(mixed $socket, int $sequence, int $flags, string $method, string $body): array
{
    $head = pack('CCV', 0x15, $flags, strlen($method) + strlen($body));
    $head .= strrev(hash('crc32b', $head, true)) . "\0\0";
    // The header and the rest in two writes, as the library does.
    fwrite($socket, $head . pack('VV', $sequence, strlen($method)));
    fwrite($socket, $method . $body);
    $header = unpack('Cfirst/Cflags/Vlength/Vcrc/Cstream/Creserved/Vsequence/Vname', read($socket, 20));
    $payload = read($socket, $header['length']);
    if (($header['first'] & 15) - 3 !== 2 || $header['sequence'] !== $sequence) {
        throw new RuntimeException('the answer is not to this request');
    }
    $rest = substr($payload, $header['name']);
    return [
        'method' => substr($payload, 0, $header['name']),
        'error' => ($header['flags'] & 0x40) !== 0 ? $rest : null,
        'body' => bin2hex($rest),
    ];
}

[, $address] = $argv;
$socket = stream_socket_client($address, $code, $message, 10);
if ($socket === false) {
    throw new RuntimeException($message);
}
stream_set_timeout($socket, 10);
foreach ([
    [0x08, 'informer.List', 'true'],
    [0x80, 'broadcast.Publish', request(array_slice($argv, 2), 'hello')],
    [0x80, 'websockets.PublishAsync', request(array_slice($argv, 2), str_repeat('x', 200000))],
    [0x80, 'broadcast.Publish', request(['@bad'], 'hello')],
] as $position => [$flags, $method, $body]) {
    echo json_encode(call($socket, $position + 1, $flags, $method, $body)), "\n";
}

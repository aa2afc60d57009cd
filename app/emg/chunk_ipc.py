"""Chunks from the process that owns a source to the others that read it: a Unix socket of whole messages.

SOCK_SEQPACKET keeps the boundaries of messages and their order, and an abstract address (unix(7)) belongs to
whoever has bound it until that process ends, however it ends: it is the lock that says who owns the source, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from app.emg.auxiliary import AuxChunk
from app.emg.source import Chunk, Labels, Samples
from app.errors import SourceError

_HEAD = struct.Struct("<cqIH??d")  # kind, index, samples, channels, labelled, restart, acquired at
_CHUNK, _TROUBLE, _END = b"C", b"T", b"E"
_AUX = (
    b"A"  # goes before the chunk that it comes with; its head has the stream's number and its place instead
)
MAX_BYTES = 65_536  # of one message; the kernel takes 200 kB by default
_PEER = struct.Struct("3i")  # pid, uid, gid


def _address(name: str) -> str:
    return f"\0myostream-{name}"


class Relay:
    """The owner's side. Nothing waits for a follower: one that does not keep up is cut off, and comes back."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._followers: list[socket.socket] = []

    @classmethod
    def open(cls, name: str) -> Relay | None:
        """None: another process is the owner."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            listener.bind(_address(name))
        except OSError as error:
            listener.close()
            if error.errno == errno.EADDRINUSE:
                return None
            raise
        listener.listen(64)
        listener.setblocking(False)
        return cls(listener)

    @property
    def followed(self) -> bool:
        """Whether another process reads what is sent."""
        return bool(self._followers)

    def send(self, chunk: Chunk, acquired_at: float, aux_steps: Sequence[float] = ()) -> None:
        """To every follower, in as many messages as it takes.

        `aux_steps` are the EMG samples from one sample to the next of each auxiliary stream.
        """
        self._accept()
        if not self._followers:
            return
        for aux in chunk.aux:
            for message in _encoded_aux(aux, aux_steps[aux.stream]):
                self._tell(message)
        size = chunk.samples.shape[1] * 4 + 2
        step = max(1, (MAX_BYTES - _HEAD.size) // size)
        for at in range(0, len(chunk.samples), step):
            part = slice(at, at + step)
            self._tell(_encoded(chunk, part, chunk.restart and at == 0, acquired_at))

    def trouble(self, message: str) -> None:
        """Say that the source cannot be read."""
        self._accept()
        self._tell(_head(_TROUBLE) + message.encode()[:1000])

    def end(self) -> None:
        """Say that the source has ended for good."""
        self._accept()
        self._tell(_head(_END))

    def close(self) -> None:
        """Give up the ownership; a follower takes it."""
        for sock in (self._listener, *self._followers):
            sock.close()
        self._followers = []

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # nobody waits, or this side was closed meanwhile
            while True:
                follower, _ = self._listener.accept()
                follower.setblocking(False)
                if _is_ours(follower):
                    self._followers.append(follower)
                else:
                    follower.close()

    def _tell(self, message: bytes) -> None:
        for follower in self._followers.copy():
            try:
                follower.send(message)
            except OSError:  # gone, or too slow
                self._followers.remove(follower)
                follower.close()


class Follower:
    """The other side: reads what the owner sends."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._aux: list[AuxChunk] = []  # that came before the chunk that they go with

    @classmethod
    def open(cls, name: str) -> Follower | None:
        """None: nobody is the owner."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.connect(_address(name))
        except OSError:
            sock.close()
            return None
        if not _is_ours(sock):
            sock.close()
            return None
        return cls(sock)

    def read(self, timeout_s: float) -> Chunk | None:
        """Return the next chunk; None when nothing came in time.

        Raises:
            SourceError: the owner cannot read the source.
            EOFError: the source has ended for good.
            ConnectionError: the owner has gone.
        """
        self._socket.settimeout(timeout_s)  # select() takes no descriptor above 1023; a server may have more
        while True:
            try:
                message = self._socket.recv(2 * MAX_BYTES)
            except TimeoutError:
                return None
            except OSError as error:
                raise ConnectionError from error
            try:
                if message[:1] != _AUX:
                    chunk = _decoded(message)
                    break
                self._aux.append(_decoded_aux(message))
            except (struct.error, ValueError) as error:  # nothing, at its end, or a worker of another version
                raise ConnectionError from error
        aux, self._aux = tuple(self._aux), []
        return replace(chunk, aux=aux) if aux else chunk

    def close(self) -> None:
        self._socket.close()


def _is_ours(sock: socket.socket) -> bool:
    """Whether the other end runs as the same user: an abstract address has no permissions of its own."""
    peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return bool(_PEER.unpack(peer)[1] == os.getuid())


def _head(
    kind: bytes,
    index: int = 0,
    shape: tuple[int, int] = (0, 0),
    labelled: bool = False,
    restart: bool = False,
    at: float = 0.0,
) -> bytes:
    return _HEAD.pack(kind, index, *shape, labelled, restart, at)


def _encoded(chunk: Chunk, part: slice, restart: bool, acquired_at: float) -> bytes:
    samples = np.ascontiguousarray(chunk.samples[part], np.float32)
    labels = None if chunk.labels is None else chunk.labels[part]
    count, channels = samples.shape
    head = _head(
        _CHUNK, chunk.index + part.start, (count, channels), labels is not None, restart, acquired_at
    )
    return head + samples.tobytes() + (b"" if labels is None else labels.astype(np.int16).tobytes())


def _encoded_aux(aux: AuxChunk, step: float) -> Iterator[bytes]:
    samples = np.ascontiguousarray(aux.samples, np.float32)
    channels = samples.shape[1]
    most = max(1, (MAX_BYTES - _HEAD.size) // (4 * channels))
    for at in range(0, len(samples), most):
        part = samples[at : at + most]
        yield _head(_AUX, aux.stream, (len(part), channels), at=aux.at + at * step) + part.tobytes()


def _decoded_aux(message: bytes) -> AuxChunk:
    _, stream, count, channels, _, _, at = _HEAD.unpack_from(message)
    samples: Samples = np.frombuffer(message, np.float32, count * channels, _HEAD.size)
    return AuxChunk(stream=stream, at=at, samples=samples.reshape(count, channels))


def _decoded(message: bytes) -> Chunk:
    kind, index, count, channels, labelled, restart, acquired_at = _HEAD.unpack_from(message)
    if kind == _END:
        raise EOFError
    if kind == _TROUBLE:
        raise SourceError(message[_HEAD.size :].decode(errors="replace"))
    samples: Samples = np.frombuffer(message, np.float32, count * channels, _HEAD.size)
    labels: Labels | None = None
    if labelled:
        labels = np.frombuffer(message, np.int16, count, _HEAD.size + samples.nbytes)
    return Chunk(
        index=index,
        samples=samples.reshape(count, channels),
        labels=labels,
        restart=restart,
        acquired_at=acquired_at,
    )

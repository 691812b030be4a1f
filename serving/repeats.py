"""The same request has the same answer: what was answered lately, seen by all workers.

Answers lie in a mapped file of a fixed size, some in each bucket; a bucket is locked while it is
read or written. A slot begins with a checksum over the rest, so what a worker left that was killed
in the middle of writing reads as free. Ids and content are there only as keyed hashes.
"""

import os
import struct
import time
import zlib
from collections.abc import Iterator
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

from fraud_platform.features.online import Event
from serving.answer_metrics import RepeatMetrics
from serving.messages import PredictionRequest
from serving.shared_slots import SharedSlots

WAYS = 8
"""Answers in a bucket; where all of them are within their time, the oldest makes room."""

SLOT = 1024
"""Bytes of an answer with its header. One without reasons is never over 900, and longer ones are
compressed; what is too long even so is not kept, and counted."""

PENDING_US = 10_000_000
"""How long an answer may wait to be logged; past it whoever gave it is taken for killed."""

# Checksum, id, content, time, size of the answer, pending, compressed. The headers of a bucket
# stand together, so that one search over them says that a request is new, as most are.
_HEADER = struct.Struct("<8s16s16sqHBB12x")
_SUMMED = 8
_ROOM = SLOT - _HEADER.size
_ANSWERS = WAYS * _HEADER.size
_SECRET = 32


class Standing(Enum):
    """What is known of a request."""

    NEW = 0
    PENDING = 1
    """It is answered elsewhere at this moment, and its decision not yet logged."""


class RequestKey(NamedTuple):
    """A request in the table: its bucket, and the hashes of its id and of its content."""

    bucket: int
    name: bytes
    content: bytes


class _Slot(NamedTuple):
    place: int
    content: bytes
    at_us: int
    pending: bool
    squeezed: bool
    answer: bytes


class Repeats:
    """The answers of the last `seconds`, about `slots` of them, in the file at `path`."""

    def __init__(self, path: Path, seconds: int, slots: int, metrics: RepeatMetrics) -> None:
        self._window_us = seconds * 1_000_000
        self._buckets = -(-slots // WAYS)
        self._slots = SharedSlots(path, self._buckets + 1, WAYS * SLOT)
        self._metrics = metrics
        self._secret = self._shared_secret()

    def key_of(
        self,
        key_id: str | None,
        transaction: PredictionRequest,
        event: Event,
        reasons: int | None,
    ) -> RequestKey:
        """The key of a request: what it said, whatever its JSON looked like."""
        who = msgspec.msgpack.encode((key_id, transaction.transaction_id))
        name = blake2b(who, digest_size=16, key=self._secret).digest()
        said = msgspec.msgpack.encode(
            (
                # Without a timestamp it is "now", and the same request a moment later.
                None if transaction.timestamp is None else event.timestamp_us,
                event.amount_cents,
                transaction.user_id,
                transaction.merchant_id,
                transaction.device_id,
                reasons,
            )
        )
        content = blake2b(said, digest_size=16, key=self._secret, salt=name).digest()
        return RequestKey(1 + int.from_bytes(name[:8], "little") % self._buckets, name, content)

    def find(self, key: RequestKey) -> bytes | None:
        """The answer that this request had, where it had one."""
        # Without the lock: what is half written fails its checksum, and `claim` looks again.
        headers = self._slots.peek(key.bucket, 0, _ANSWERS)
        if key.name + key.content not in headers:
            return None
        for slot in self._live(self._slots.peek(key.bucket, 0, WAYS * SLOT), key.name, _now_us()):
            if slot.content == key.content and not slot.pending:
                self._metrics.replayed()
                return _unpacked(slot)
        return None

    def claim(self, key: RequestKey, answer: bytes, *, pending: bool) -> bytes | Standing:
        """Keeps the answer to a request, or gives the one that another worker was first with.

        NEW where it is kept now. A `pending` one is given to nobody until it is settled; meanwhile
        others with the same request are told PENDING.
        """
        changed, packed = False, _packed(answer)
        with self._slots.locked(key.bucket) as bucket:
            now = _now_us()  # not before the lock, or what was written meanwhile would be ahead
            for slot in self._live(bucket, key.name, now):
                if slot.content != key.content:
                    changed = True
                elif slot.pending:
                    return Standing.PENDING
                else:
                    self._metrics.replayed()
                    return _unpacked(slot)
            if packed is not None:
                said, squeezed = packed
                slot = _Slot(self._place(bucket, now), key.content, now, pending, squeezed, said)
                self._write(bucket, key.name, slot)
        if changed:
            self._metrics.changed()
        if packed is None:
            self._metrics.too_long()
        return Standing.NEW

    def settle(self, key: RequestKey, *, stored: bool) -> None:
        """Gives a pending answer out from now on, or forgets it where it could not be logged."""
        with self._slots.locked(key.bucket) as bucket:
            for slot in self._live(bucket, key.name, _now_us()):
                if slot.content == key.content and slot.pending:
                    if stored:
                        self._write(bucket, key.name, slot._replace(pending=False))
                    else:
                        begin = slot.place * _HEADER.size
                        bucket[begin : begin + _HEADER.size] = bytes(_HEADER.size)

    def close(self) -> None:
        """Gives the table back."""
        self._slots.close()

    def _live(self, bucket: memoryview | bytes, name: bytes, now: int) -> Iterator[_Slot]:
        """The slots of an id that count."""
        headers = bytes(bucket[:_ANSWERS])
        if name not in headers:
            return
        for place, header in enumerate(_HEADER.iter_unpack(headers)):
            found, named, content, at_us, size, pending, squeezed = header
            age_us = now - at_us
            within = 0 <= age_us <= (PENDING_US if pending else self._window_us)
            if named != name or not within or size > _ROOM:
                continue
            begin = _ANSWERS + place * _ROOM
            answer = bytes(bucket[begin : begin + size])
            begin = place * _HEADER.size
            if found == self._sum(headers[begin + _SUMMED : begin + _HEADER.size] + answer):
                yield _Slot(place, content, at_us, bool(pending), bool(squeezed), answer)

    def _write(self, bucket: memoryview, name: bytes, slot: _Slot) -> None:
        said = (name, slot.content, slot.at_us, len(slot.answer), slot.pending, slot.squeezed)
        summed = _HEADER.pack(b"", *said)[_SUMMED:]
        begin = _ANSWERS + slot.place * _ROOM
        bucket[begin : begin + len(slot.answer)] = slot.answer
        begin = slot.place * _HEADER.size
        bucket[begin : begin + _HEADER.size] = self._sum(summed + slot.answer) + summed

    def _place(self, bucket: memoryview, now: int) -> int:
        """Where in a bucket the next answer goes: a free slot, or the oldest's."""
        times = [header[3] for header in _HEADER.iter_unpack(bucket[:_ANSWERS])]
        for place, at_us in enumerate(times):
            if not at_us or not 0 <= now - at_us <= self._window_us:
                return place
        self._metrics.pushed_out()
        return times.index(min(times))

    def _sum(self, written: bytes) -> bytes:
        return blake2b(written, digest_size=_SUMMED, key=self._secret).digest()

    def _shared_secret(self) -> bytes:
        """The key of all workers' hashes, made by the first of them."""
        with self._slots.locked(0) as bucket:
            if bucket[_SECRET] == 0:
                bucket[:_SECRET] = os.urandom(_SECRET)
                bucket[_SECRET] = 1  # last, so that one killed before leaves none
            return bytes(bucket[:_SECRET])


def _now_us() -> int:
    # One clock for all processes of a machine, which nobody sets back.
    return time.monotonic_ns() // 1_000


def _packed(answer: bytes) -> tuple[bytes, bool] | None:
    if len(answer) <= _ROOM:
        return answer, False
    squeezed = zlib.compress(answer, 6)
    return (squeezed, True) if len(squeezed) <= _ROOM else None


def _unpacked(slot: _Slot) -> bytes:
    return zlib.decompress(slot.answer) if slot.squeezed else slot.answer

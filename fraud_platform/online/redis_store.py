"""The online store in Redis or Valkey: a hash for each entity, as Feast keeps it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import batched
from typing import Any
from uuid import uuid4

import redis
from redis import exceptions
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from fraud_platform.clock import to_us
from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.features.state import State, View
from fraud_platform.online.address import ANSWER_S, CONNECT_S, MARKERS, redis_address
from fraud_platform.online.feast_format import (
    redis_fields,
    redis_key,
    redis_timestamp_field,
    timestamp_value,
    value_decoder,
)
from fraud_platform.online.read_until import markers_of, read_until_us
from fraud_platform.online.rows import check_rows, decoded_states, row_encoder
from fraud_platform.online.store import Progress, by_entity, check_one_entity
from fraud_platform.settings import Online

BATCH = 2_000
"""Rows in one pipeline: one round trip, about a megabyte."""

# Only who began the write ends it: a flush or a second writer in between takes the token away.
_END_WRITE = """
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSETNX', KEYS[1], ARGV[3], '')
if ARGV[5] == '1' or redis.call('HGET', KEYS[1], ARGV[3]) ~= '' then
  redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
end
return 1
"""


class RedisStore(AbstractContextManager["RedisStore"]):
    """The `OnlineStore` in Redis; may be shared between threads.

    A key leaves `redis_ttl_days` after its last write, so that who is gone leaves too.
    """

    def __init__(self, online: Online, views: Sequence[View]) -> None:
        self._where = redis_address(online)
        self._ttl_s = online.redis_ttl_days * 86_400
        self._views = by_entity(views)
        self._decode = value_decoder()
        self._client = redis.Redis.from_url(
            online.redis_url.reveal(),
            socket_connect_timeout=CONNECT_S,
            socket_timeout=ANSWER_S,
            # Once more where a server that was restarted has closed the connection.
            retry=Retry(ConstantBackoff(0.1), 1),
        )

    def write(
        self,
        view: View,
        rows: Mapping[str, State],
        as_of: datetime,
        progress: Progress | None = None,
        *,
        whole: bool = True,
    ) -> None:
        """As `OnlineStore.write`; UnavailableError too where the store is flushed meanwhile."""
        to_us(as_of)
        check_rows(view, rows)
        token = uuid4().hex
        with self._telling(f"writing {view.name}"):
            if whole:
                self._client.hset(MARKERS, f"writing:{view.name}", token)
            self._write_rows(view, rows, as_of, progress)
            if whole:
                self._end_write(view, token, as_of, bool(rows))

    def read(self, views: Sequence[View], ids: Sequence[str]) -> list[dict[str, State]]:
        """As `OnlineStore.read`."""
        check_one_entity(views)
        return self._states([(views, ids)], len(ids))

    def contexts(
        self, user_ids: Sequence[str], merchant_ids: Sequence[str]
    ) -> list[dict[str, State]]:
        """As `OnlineStore.contexts`."""
        users, merchants = self._views
        return self._states([(users, user_ids), (merchants, merchant_ids)], len(user_ids))

    def written_as_of(self, view: View) -> datetime | None:
        """As `OnlineStore.written_as_of`."""
        with self._telling(f"reading {view.name}"):
            found: Any = self._client.hget(MARKERS, view.name)
        return datetime.fromisoformat(found.decode()) if found else None

    def mark_read(self, partitions: int, until_us: Mapping[int, int]) -> None:
        """As `OnlineStore.mark_read`."""
        with self._telling("noting how far the stream was read"):
            self._client.hset(MARKERS, mapping=dict(markers_of(partitions, until_us)))

    def read_until_us(self) -> int | None:
        """As `OnlineStore.read_until_us`."""
        with self._telling("reading how far the stream was read"):
            found: Any = self._client.hgetall(MARKERS)
        return read_until_us({name.decode(): value.decode() for name, value in found.items()})

    def evicts(self) -> str | None:
        """As `OnlineStore.evicts`."""
        with self._telling("reading its memory policy"):
            memory: Any = self._client.info("memory")
        policy = memory["maxmemory_policy"]
        return None if policy == "noeviction" or not memory["maxmemory"] else policy

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_rows(
        self, view: View, rows: Mapping[str, State], as_of: datetime, progress: Progress | None
    ) -> None:
        encode, fields = row_encoder(view), redis_fields(view)
        timestamp = [redis_timestamp_field(view), timestamp_value(as_of)]
        done = 0
        for batch in batched(rows.items(), BATCH):
            pipe = self._client.pipeline(transaction=False)
            for entity_id, state in batch:
                key = redis_key(view.join_key, entity_id)
                row = [
                    part
                    for pair in zip(fields, encode(entity_id, state), strict=True)
                    for part in pair
                ]
                pipe.execute_command("HSET", key, *timestamp, *row)
                pipe.execute_command("EXPIRE", key, self._ttl_s)
            _execute(pipe)
            done += len(batch)
            if progress:
                progress(done, len(rows))

    def _end_write(self, view: View, token: str, as_of: datetime, rows: bool) -> None:
        said = (f"writing:{view.name}", token, view.name, as_of.isoformat(), int(rows))
        if not self._client.eval(_END_WRITE, 1, MARKERS, *map(str, said)):
            raise UnavailableError(
                f"Redis at {self._where}, writing {view.name}: the store was flushed meanwhile, or "
                "another process writes this view too; leave one writer and write it again"
            )

    def _states(
        self, asked: Sequence[tuple[Sequence[View], Sequence[str]]], count: int
    ) -> list[dict[str, State]]:
        groups = [
            (views[0].join_key, ids, [field for view in views for field in redis_fields(view)])
            for views, ids in asked
            if views
        ]
        views = [view for group, _ in asked for view in group]
        found = []
        for chunk in batched(range(count), BATCH):
            pipe = self._client.pipeline(transaction=False)
            for i in chunk:
                for join_key, ids, fields in groups:
                    pipe.execute_command("HMGET", redis_key(join_key, ids[i]), *fields)
            with self._telling("reading"):
                rows = batched(_execute(pipe), len(groups)) if groups else ()
            for of_one in rows:
                stored = [raw for group in of_one for raw in group]
                found.append(dict(decoded_states(views, stored, self._decode)))
        return found

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        """Turns what the client raises into an error that says where, and what to do."""
        what = f"Redis at {self._where}, {doing}"
        try:
            yield
        except exceptions.AuthenticationError as error:
            raise PredictFlowError(
                f"{what}: the login was refused; set the user and the password of "
                "PREDICTFLOW_ONLINE_REDIS_URL"
            ) from error
        except exceptions.BusyLoadingError as error:
            raise UnavailableError(f"{what}: it is loading its data; do it again then") from error
        except exceptions.TimeoutError as error:
            raise UnavailableError(
                f"{what}: no answer within {ANSWER_S:g} s; see whether it hangs, then do it again"
            ) from error
        except exceptions.ConnectionError as error:
            raise UnavailableError(
                f"{what}: it cannot be reached ({error}); start it, or set "
                "PREDICTFLOW_ONLINE_REDIS_URL to where it is"
            ) from error
        except exceptions.RedisError as error:
            raise PredictFlowError(
                f"{what}: it refused ({error}); give it memory, rights and no other data under "
                "these keys, then do it again"
            ) from error


def _execute(pipe: Any) -> list[Any]:
    # Raising itself, the pipeline would put the command's keys and values into the text.
    results = pipe.execute(raise_on_error=False)
    for result in results:
        if isinstance(result, exceptions.RedisError):
            raise result
    return results

"""Feast's online format, without importing Feast: it takes five seconds and brings pandas.

Entity keys are those of `feast.infra.key_encoding_utils.serialize_entity_key` with
`entity_key_serialization_version` 3; values are Feast's `ValueProto`. In Redis an entity is one
hash with the fields of all its views, as `feast.infra.online_stores.redis` names them. Tests
compare all of it with Feast itself.
"""

import importlib.util
import struct
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import mmh3
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from fraud_platform.errors import PredictFlowError
from fraud_platform.features.state import PROJECT, Kind, View

_STRING = 2
"""`ValueType.STRING` in Feast's Value.proto."""

_FIELDS: dict[Kind, str] = {
    "int64": "int64_val",
    "int64_list": "int64_list_val",
    "float64_list": "double_list_val",
}

Value = int | list[int] | list[float]
Decode = Callable[[bytes, Kind], Value]
Encode = Callable[[Any], bytes]


def entity_key(join_key: str, entity_id: str) -> bytes:
    """The key of one entity: how many join keys, then name and value, each typed and with its size.

    All numbers are little-endian uint32.
    """
    value = entity_id.encode()
    return _key_start(join_key) + struct.pack("<I", len(value)) + value


def redis_key(join_key: str, entity_id: str) -> bytes:
    """The name of the hash of one entity, which holds all its views."""
    return entity_key(join_key, entity_id) + PROJECT.encode()


def redis_fields(view: View) -> list[bytes]:
    """The names of a view's fields in the hash of its entity, in the view's order."""
    return [
        struct.pack("<I", mmh3.hash(f"{view.name}:{name}", signed=False)) for name in view.fields
    ]


def redis_timestamp_field(view: View) -> bytes:
    """The name of the hash field that says as of when a view's row is."""
    return f"_ts:{view.name}".encode()


def timestamp_value(moment: datetime) -> bytes:
    """An aware moment as Feast stores it in Redis."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp.SerializeToString()


def value_decoder() -> Decode:
    """The function that decodes a stored value of a kind; it raises ValueError for another one.

    Raises PredictFlowError where the installed Feast has no `Value_pb2` at its usual place.
    """
    from_bytes = _values().Value.FromString

    def decode(raw: bytes, kind: Kind) -> Value:
        try:
            value = from_bytes(raw)
        except (DecodeError, TypeError) as error:
            raise ValueError("a stored value is not a ValueProto") from error
        field = _FIELDS[kind]
        if value.WhichOneof("val") != field:
            raise ValueError(f"a stored value is {value.WhichOneof('val')}, not {field}")
        found = getattr(value, field)
        return found if kind == "int64" else found.val[:]

    return decode


def value_encoder(kind: Kind) -> Encode:
    """The function that encodes a value of a kind.

    It raises TypeError or ValueError for a value of another one; value_decoder says what else.
    """
    proto = _values()
    new_value = proto.Value
    match kind:
        case "int64":
            return lambda value: new_value(int64_val=value).SerializeToString()
        case "int64_list":
            ints = proto.Int64List
            return lambda value: new_value(int64_list_val=ints(val=value)).SerializeToString()
        case "float64_list":
            floats = proto.DoubleList
            return lambda value: new_value(double_list_val=floats(val=value)).SerializeToString()


@cache
def _key_start(join_key: str) -> bytes:
    name = join_key.encode()
    return struct.pack("<III", 1, _STRING, len(name)) + name + struct.pack("<I", _STRING)


@cache
def _values() -> ModuleType:
    # find_spec on a top-level package runs none of it; the generated module needs protobuf only.
    feast = importlib.util.find_spec("feast")
    path = Path(feast.origin if feast and feast.origin else "feast").with_name("protos")
    path = path / "feast" / "types" / "Value_pb2.py"
    spec = importlib.util.spec_from_file_location("predictflow_feast_value_pb2", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise PredictFlowError(
            f"Feast's value format was looked for in {path} and is not there; "
            "install the Feast version of requirements.lock"
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

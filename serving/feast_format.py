"""Feast's online format, read without importing Feast: it takes five seconds and brings pandas.

Keys are those of `feast.infra.key_encoding_utils.serialize_entity_key` with
`entity_key_serialization_version` 3; values are Feast's `ValueProto`. A test compares both with
Feast itself.
"""

import importlib.util
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from fraud_platform.errors import PredictFlowError
from fraud_platform.features.state import Kind

_STRING = 2
"""`ValueType.STRING` in Feast's Value.proto."""

_FIELDS: dict[Kind, str] = {"int64": "int64_val", "int64_list": "int64_list_val"}

Decode = Callable[[bytes, Kind], int | list[int]]


def entity_key(join_key: str, entity_id: str) -> bytes:
    """The key of one entity: how many join keys, then name and value, each typed and with its size.

    All numbers are little-endian uint32.
    """
    name, value = join_key.encode(), entity_id.encode()
    return (
        struct.pack("<III", 1, _STRING, len(name))
        + name
        + struct.pack("<II", _STRING, len(value))
        + value
    )


def value_decoder() -> Decode:
    """The function that decodes a stored value of a kind; it raises ValueError for another one.

    Raises PredictFlowError where the installed Feast has no `Value_pb2` at its usual place.
    """
    new_value = _value_class()

    def decode(raw: bytes, kind: Kind) -> int | list[int]:
        value = new_value()
        try:
            value.ParseFromString(raw)
        except (DecodeError, TypeError) as error:
            raise ValueError("a stored value is not a ValueProto") from error
        field = _FIELDS[kind]
        if value.WhichOneof("val") != field:
            raise ValueError(f"a stored value is {value.WhichOneof('val')}, not {field}")
        return value.int64_val if kind == "int64" else list(value.int64_list_val.val)

    return decode


def _value_class() -> Callable[[], Any]:
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
    return module.Value

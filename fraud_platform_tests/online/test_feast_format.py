"""Keys, names and values are Feast's own, byte for byte."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import DoubleList, Int64List, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from fraud_platform.features.state import PROJECT, VIEWS
from fraud_platform.online.feast_format import (
    entity_key,
    redis_fields,
    redis_key,
    timestamp_value,
    value_decoder,
    value_encoder,
)

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
INTS = st.integers(-(2**63), 2**63 - 1)


@given(IDS)
def test_the_key_of_an_entity_is_feasts(entity_id: str) -> None:
    theirs = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=entity_id)])

    assert entity_key("user_id", entity_id) == serialize_entity_key(theirs, 3)
    assert redis_key("user_id", entity_id) == _redis_key(PROJECT, theirs)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_the_names_of_hash_fields_are_feasts(view) -> None:
    assert redis_fields(view) == [_mmh3(f"{view.name}:{name}") for name in view.fields]


@given(INTS)
def test_an_int_is_stored_as_feast_stores_it(value: int) -> None:
    stored = value_encoder("int64")(value)

    assert stored == Value(int64_val=value).SerializeToString()
    assert value_decoder()(stored, "int64") == value


@given(st.lists(INTS))
def test_a_list_of_ints_is_stored_as_feast_stores_it(values: list[int]) -> None:
    stored = value_encoder("int64_list")(values)

    assert stored == Value(int64_list_val=Int64List(val=values)).SerializeToString()
    assert value_decoder()(stored, "int64_list") == values


@given(st.lists(st.floats()))
def test_a_list_of_floats_is_stored_as_feast_stores_it(values: list[float]) -> None:
    stored = value_encoder("float64_list")(values)
    found = value_decoder()(stored, "float64_list")

    assert stored == Value(double_list_val=DoubleList(val=values)).SerializeToString()
    assert isinstance(found, list)
    # Compared by their text, so that NaN equals NaN and -0.0 does not equal 0.0.
    assert list(map(repr, found)) == list(map(repr, values))


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-8))], ids=["utc", "elsewhere"])
def test_a_moment_is_stored_as_feast_stores_it(zone: timezone) -> None:
    moment = datetime(2024, 3, 1, 1, 2, 3, 456_789, tzinfo=zone)
    theirs = Timestamp()
    theirs.FromDatetime(moment)

    assert timestamp_value(moment) == theirs.SerializeToString()


@pytest.mark.parametrize("stored", [b"\xff\xff\xff", b"", "text"], ids=["broken", "empty", "text"])
def test_what_is_no_value_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="a stored value is"):
        value_decoder()(stored, "int64")


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="is double_list_val, not int64_list_val"):
        value_decoder()(value_encoder("float64_list")([math.nan]), "int64_list")

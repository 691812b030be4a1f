"""The feature page of the documentation is the catalogue's."""

from pathlib import Path

from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.described import GROUPS, group_of, how, views_of
from fraud_platform.features.docs import RENEW, feature_page
from fraud_platform.features.online import Event, compile_online
from fraud_platform.features.state import VIEWS
from fraud_platform_tests.features.every_kind import EVERY_KIND

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_committed_page_is_the_catalogues() -> None:
    assert PAGE.read_text(encoding="utf-8") == feature_page(CATALOGUE), f"renew it by `{RENEW}`"


def test_every_feature_has_one_row_and_every_kind_has_words() -> None:
    for catalogue in (CATALOGUE, EVERY_KIND):
        page = feature_page(catalogue)
        for feature in catalogue:
            assert page.count(f"\n| `{feature.name}` | ") == 1
            assert how(feature) in page


def test_a_feature_belongs_where_its_declaration_says() -> None:
    groups = {name: group_of(EVERY_KIND, EVERY_KIND[name]) for name in EVERY_KIND.names}
    assert list(GROUPS) == [
        groups[name]
        for name in ("log", "night_3d", "score", "unusual_14d", "merchant_age", "run", "device_new")
    ]
    assert groups["score_ratio"] == groups["max_6h"] == "The user's habit"
    assert groups["merchants_24h"] == "Relations"
    assert groups["since_last"] == "The user's pace"


def test_every_view_is_read_and_none_that_there_is_not() -> None:
    read = {view for feature in CATALOGUE for view in views_of(CATALOGUE, feature)}
    assert read == {view.name for view in VIEWS}


def test_a_feature_that_can_be_missing_says_when() -> None:
    nothing_known = compile_online(CATALOGUE)(Event(timestamp_us=0, amount_cents=100), {})
    for feature, value in zip(CATALOGUE, nothing_known, strict=True):
        is_missing = value != value  # noqa: PLR0124 - NaN
        assert is_missing == (feature.missing != "never missing"), feature.name

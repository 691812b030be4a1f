"""`predictflow features show`, `sql` and `docs`: the catalogue as it is declared and compiled."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from fraud_platform.commands import console
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import Feature
from fraud_platform.features.declared import key_of, window_text
from fraud_platform.features.described import (
    declaration_of,
    group_of,
    how,
    needed_by,
    tile_columns_of,
    views_of,
)
from fraud_platform.features.docs import feature_page
from fraud_platform.features.sql_steps import statements


def run_list(*, as_json: bool) -> None:
    if as_json:
        console.emit({"features": [_document(feature) for feature in CATALOGUE]})
        return
    console.table(
        f"{len(CATALOGUE.names)} features in the model's input order",
        ("name", "kind", "key", "window", "unit", "meaning"),
        [(f.name, f.kind, key_of(f) or "", window_text(f), f.unit, f.meaning) for f in CATALOGUE],
        unfolded=("name", "window"),
    )


def run_show(name: str, *, as_json: bool) -> None:
    if name not in CATALOGUE.names:
        close = get_close_matches(name, CATALOGUE.names)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise PredictFlowError(
            f"the catalogue has no feature {name!r}; {hint}`predictflow features show` lists them"
        )
    document = _document(CATALOGUE[name])
    if as_json:
        console.emit(document)
        return
    for field, value in document.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        if text and field != "declaration":
            click.echo(f"{field.replace('_', ' '):<13} {text}")
    click.echo(f"\n{document['declaration']}")


def run_sql(step: str | None, table: str | None) -> None:
    known = statements(CATALOGUE)
    found = [s for s in known if step in (None, s.step) and table in (None, s.table)]
    if not found:
        asked = " and ".join(
            f"{what} {value}" for what, value in (("step", step), ("table", table)) if value
        )
        there = ", ".join(f"{s.table} ({s.step})" for s in known)
        raise PredictFlowError(f"no statement has {asked}; there are {there}")
    click.echo("\n".join(statement.text(CATALOGUE) for statement in found), nl=False)


def run_docs(out: Path | None) -> None:
    page = feature_page(CATALOGUE)
    if out is None:
        click.echo(page, nl=False)
        return
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise PredictFlowError(f"{out} can't be written: {error.strerror}") from error


def _document(feature: Feature) -> dict[str, Any]:
    name = feature.name
    return {
        "name": name,
        "meaning": feature.meaning,
        "group": group_of(CATALOGUE, feature),
        "kind": feature.kind,
        "key": key_of(feature) or "",
        "window": window_text(feature),
        "unit": feature.unit,
        "missing": feature.missing,
        "computed_as": how(feature),
        "level": CATALOGUE.level(name),
        "tiles": list(tile_columns_of(CATALOGUE, feature)),
        "online_views": list(views_of(CATALOGUE, feature)),
        "needs": list(feature.needs),
        "looks_back_on": list(feature.looks_back_on),
        "needed_by": list(needed_by(CATALOGUE, name)),
        "declaration": declaration_of(feature),
    }

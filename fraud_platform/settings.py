"""One typed settings object, from `predictflow.toml` and `PREDICTFLOW_*`, checked once.

A setting's environment variable is its path in capitals: `[training] window_days` is
`PREDICTFLOW_TRAINING_WINDOW_DAYS`. The environment wins over the file.
"""

import math
import os
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from fraud_platform.errors import PredictFlowError

CONFIG_FILE = "predictflow.toml"
PREFIX = "PREDICTFLOW_"

Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class SettingsError(PredictFlowError):
    """A setting that is unknown, mistyped or out of range."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Source(_Section, frozen=True):
    """How files in the inbox name their columns."""

    map: str = ""
    """`field=column` pairs with commas between them, for columns that have other names."""


class Quality(_Section, frozen=True):
    """What a day of transactions is expected to look like."""

    mean_amount_min: float = 50.0
    """Lowest expected mean amount of a day, in currency units."""
    mean_amount_max: float = 500.0
    """Highest expected mean amount of a day, in currency units."""
    mean_amount_blocks: bool = False
    """Whether a mean outside the bounds stops the day instead of warning."""


class Labels(_Section, frozen=True):
    """How labels arrive."""

    maturity_days: NotNegative = 7
    """Days after a transaction from which its label counts as final."""
    lookback_days: Positive = 60
    """How many days back a label's transaction is looked for."""


class Training(_Section, frozen=True):
    """The training window, in days of mature labels, oldest first: fit, validate, test."""

    window_days: Positive = 30
    """Days of the whole window; the fit takes what validation and test leave."""
    validation_days: Positive = 3
    """Days after the fit, on which the threshold is chosen."""
    test_days: Positive = 7
    """Last days of the window, on which the model is reported; nothing is chosen on them."""
    min_label_share: Share = 0.95
    """Share of each day's transactions that must have a known label."""
    trees: Positive = 100
    depth: Positive = 6
    learning_rate: Annotated[float, Meta(gt=0, le=1)] = 0.1
    missed_fraud_fee: Annotated[float, Meta(ge=0)] = 20.0
    """Cost of a missed fraud beyond its amount, in currency units."""
    false_alarm_cost: Annotated[float, Meta(ge=0)] = 20.0
    """Cost of stopping a legitimate payment, in currency units."""
    seed: int = 0


class Serving(_Section, frozen=True):
    """Where the service listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """0 takes a free port."""
    poll_seconds: Annotated[float, Meta(gt=0)] = 1.0
    """How often the service looks for a new bundle."""
    feature_deadline_ms: Positive = 20
    """How long a request waits for the online store before it is answered without it."""


class Settings(_Section, frozen=True):
    """Everything that can be set. Defaults need no server."""

    data_dir: Path = Path(".predictflow")
    """Where everything made is kept: lake, bundles, tracking, online store, Dagster's history."""
    dagster_dir: Path | None = None
    """Where Dagster keeps its history; by default `dagster` in data_dir. dagster.yaml reads it."""
    first_day: date | None = None
    """The first daily partition (UTC); by default the earliest day that was landed."""
    retry_delay_seconds: Positive = 300
    """How long a failed step waits before each of its two retries."""
    source: Source = Source()
    quality: Quality = Quality()
    labels: Labels = Labels()
    training: Training = Training()
    serving: Serving = Serving()

    @property
    def lake_dir(self) -> Path:
        return self.data_dir / "lake"

    @property
    def inbox_dir(self) -> Path:
        """Files put here are landed by the asset `landed_events`."""
        return self.data_dir / "inbox"

    @property
    def bundles_dir(self) -> Path:
        return self.data_dir / "bundles"

    @property
    def online_store(self) -> Path:
        return self.data_dir / "feast" / "online_store.db"

    @property
    def feast_registry(self) -> Path:
        return self.data_dir / "feast" / "registry.db"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.data_dir / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.data_dir / "mlartifacts"


def load_settings(environ: Mapping[str, str] = os.environ, config: Path | None = None) -> Settings:
    """The settings of this process; raises SettingsError naming the setting and the mend.

    `config` is the file to read; else `PREDICTFLOW_CONFIG`, else `predictflow.toml` where there is
    one. A relative `data_dir` is taken from the working directory.
    """
    named = config or (Path(environ[PREFIX + "CONFIG"]) if PREFIX + "CONFIG" in environ else None)
    path = named or Path(CONFIG_FILE)
    tree: dict[str, Any] = {}
    try:
        tree = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        if named:
            raise SettingsError(f"settings file {path} does not exist") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"settings file {path}: {error}") from error
    origin = _overlay(tree, environ, path)
    try:
        settings = msgspec.convert(tree, Settings, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error), origin, path)) from error
    _check(settings)
    _check_finite(msgspec.to_builtins(settings, enc_hook=str), (), origin, path)
    data_dir = settings.data_dir.absolute()
    return msgspec.structs.replace(
        settings,
        data_dir=data_dir,
        dagster_dir=(settings.dagster_dir or data_dir / "dagster").absolute(),
    )


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError(f"expected a path, got {value!r}")


def _overlay(tree: dict[str, Any], environ: Mapping[str, str], file: Path) -> dict[str, str]:
    """Lays the environment over the file's tree; returns `$.path` -> variable=value, for errors."""
    known = dict(_variables(Settings, ()))
    origin: dict[str, str] = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == PREFIX + "CONFIG":
            continue
        if variable not in known:
            if variable.startswith(PREFIX + "TEST_"):
                continue
            raise SettingsError(
                f"environment variable {variable} is not a setting; known: "
                + ", ".join(sorted(known))
            )
        path = known[variable]
        node = tree
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise SettingsError(f"setting {part} ({file}): {node!r} is not a table of settings")
        node[path[-1]] = value
        origin["$." + ".".join(path)] = f"{variable}={value!r}"
    return origin


def _variables(section: type[msgspec.Struct], path: tuple[str, ...]) -> Any:
    for field in msgspec.structs.fields(section):
        here = (*path, field.name)
        if isinstance(field.type, type) and issubclass(field.type, _Section):
            yield from _variables(field.type, here)
        else:
            yield PREFIX + "_".join(here).upper(), here


def _check_finite(
    values: dict[str, Any], path: tuple[str, ...], origin: dict[str, str], file: Path
) -> None:
    """Refuses NaN and the infinities, which no bound of a type keeps out."""
    for name, value in values.items():
        here = (*path, name)
        if isinstance(value, dict):
            _check_finite(value, here, origin, file)
        elif isinstance(value, float) and not math.isfinite(value):
            text = f"Expected a finite number, got {value} - at `$.{'.'.join(here)}`"
            raise SettingsError(_explain(text, origin, file))


def _explain(text: str, origin: dict[str, str], path: Path) -> str:
    what, _, where = text.partition(" - at `")
    where = where.rstrip("`") or "$"
    name = where.removeprefix("$").removeprefix(".") or "at the top"
    source = f"environment variable {origin[where]}" if where in origin else f"{path}"
    return f"setting {name} ({source}): {what}"


def _check(settings: Settings) -> None:
    training, quality = settings.training, settings.quality
    if training.validation_days + training.test_days >= training.window_days:
        raise SettingsError(
            f"setting training.window_days: {training.window_days} leaves no day to fit on beside "
            f"{training.validation_days} validation and {training.test_days} test days; raise it"
        )
    if quality.mean_amount_min > quality.mean_amount_max:
        raise SettingsError(
            f"setting quality.mean_amount_min: {quality.mean_amount_min} is over "
            f"quality.mean_amount_max {quality.mean_amount_max}"
        )

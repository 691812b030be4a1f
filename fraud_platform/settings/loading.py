"""Settings from `predictflow.toml` and the environment, with errors that name the setting."""

import math
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings.alerts import faults
from fraud_platform.settings.base import Secret, Section
from fraud_platform.settings.datadog import datadog_faults
from fraud_platform.settings.sections import Kafka, Online, Settings
from fraud_platform.settings.serving import Serving

CONFIG_FILE = "predictflow.toml"
REDIS_OPTIONS = (
    "socket_timeout",
    "socket_connect_timeout",
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_cert_reqs",
    "ssl_check_hostname",
)
PREFIX = "PREDICTFLOW_"
LEAST_KEY = 32
_BUNDLES_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?")


class SettingsError(PredictFlowError):
    """A setting that is unknown, mistyped or out of range."""


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
        settings = msgspec.convert(tree, Settings, strict=False, dec_hook=decode_value)
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


def decode_value(kind: type, value: Any) -> Any:
    """msgspec's `dec_hook` for what settings are made of beside its own types."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError(f"expected a path, got {value!r}")


def _overlay(tree: dict[str, Any], environ: Mapping[str, str], file: Path) -> dict[str, str]:
    """Lays the environment over the file's tree; returns `$.path` -> variable=value, for errors."""
    found = list(_variables(Settings, ()))
    known = {variable: path for variable, path, _ in found}
    secrets = {path for _, path, kind in found if kind is Secret}
    _refuse_secrets(tree, {path: variable for variable, path, _ in found}, secrets, file)
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
        shown = Secret(value) if path in secrets else value
        origin["$." + ".".join(path)] = f"{variable}={shown!r}"
    return origin


def _refuse_secrets(
    tree: dict[str, Any],
    variables: Mapping[tuple[str, ...], str],
    secrets: set[tuple[str, ...]],
    file: Path,
) -> None:
    """A file is copied, committed and shown; what is secret comes from the environment alone."""
    for section, name in secrets:
        found = tree.get(section)
        if isinstance(found, dict) and name in found:
            raise SettingsError(
                f"setting {section}.{name} ({file}) is a secret: take it out of the file and set "
                f"the environment variable {variables[section, name]}"
            )


def _variables(section: type[msgspec.Struct], path: tuple[str, ...]) -> Any:
    for field in msgspec.structs.fields(section):
        here = (*path, field.name)
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield from _variables(field.type, here)
        else:
            yield PREFIX + "_".join(here).upper(), here, field.type


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
    if training.gap_days + training.validation_days + training.test_days >= training.window_days:
        raise SettingsError(
            f"setting training.window_days: {training.window_days} leaves no day to fit on beside "
            f"{training.gap_days} days of gap, {training.validation_days} validation and "
            f"{training.test_days} test days; raise it"
        )
    if quality.mean_amount_min > quality.mean_amount_max:
        raise SettingsError(
            f"setting quality.mean_amount_min: {quality.mean_amount_min} is over "
            f"quality.mean_amount_max {quality.mean_amount_max}"
        )
    try:
        _ = settings.serving.proxies
    except ValueError as error:
        raise SettingsError(
            f"setting serving.trusted_proxies: {error}; expected networks as 10.0.0.0/8,fd00::/8"
        ) from error
    try:
        _ = settings.drift.times
    except ValueError as error:
        raise SettingsError(
            f"setting drift.tolerances: {error}; expected amount=2,score=3"
        ) from error
    _check_draw(settings.serving)
    _check_kafka(settings.kafka)
    _check_online(settings.online)
    for fault in faults(settings.alerts):
        raise SettingsError(f"setting alerts.{fault}")
    for fault in datadog_faults(settings.datadog):
        raise SettingsError(f"setting datadog.{fault}")
    url = settings.serving.bundles_url
    if url and not _BUNDLES_URL.fullmatch(url):
        raise SettingsError(
            f"setting serving.bundles_url: {url!r} is not of the form s3://bucket/prefix"
        )


def _check_draw(serving: Serving) -> None:
    key = serving.pass_key.reveal()
    if key and len(key) < LEAST_KEY:
        raise SettingsError(
            f"setting serving.pass_key: {len(key)} characters can be guessed, and with them who is "
            f"let pass; expected {LEAST_KEY} or more, as of `openssl rand -hex 32`"
        )


def _check_kafka(kafka: Kafka) -> None:
    for broker in filter(None, kafka.brokers.split(",")):
        host, _, port = broker.strip().rpartition(":")
        if not (host and port.isdigit()):
            raise SettingsError(f"setting kafka.brokers: {broker!r} is not of the form host:port")
    asks = kafka.security_protocol.startswith("SASL_")
    if asks != bool(kafka.sasl_mechanism):
        raise SettingsError(
            f"setting kafka.sasl_mechanism: {kafka.sasl_mechanism or 'none'} does not fit "
            f"kafka.security_protocol {kafka.security_protocol}; a mechanism and one of the SASL_ "
            "protocols go together"
        )
    if kafka.sasl_mechanism not in ("", "AWS_MSK_IAM"):  # the latter takes AWS's credentials
        named = {
            "kafka.sasl_username": kafka.sasl_username,
            "kafka.sasl_password": kafka.sasl_password,
        }
        if kafka.sasl_mechanism == "OAUTHBEARER":
            named["kafka.oauth_token_url"] = kafka.oauth_token_url
        for name, value in named.items():
            if not value:
                raise SettingsError(f"setting {name}: {kafka.sasl_mechanism} needs one")
    if kafka.sasl_mechanism == "AWS_MSK_IAM" and kafka.security_protocol != "SASL_SSL":
        raise SettingsError("setting kafka.security_protocol: AWS_MSK_IAM needs SASL_SSL")
    topics: dict[str, str] = {}
    for name in ("transactions_topic", "labels_topic", "predictions_topic"):
        topic = getattr(kafka, name)
        if topic in topics:
            raise SettingsError(f"setting kafka.{name}: {topic!r} is kafka.{topics[topic]} too")
        topics[topic] = name


def _check_online(online: Online) -> None:
    """Says what is wrong with a URL without showing it: it holds a password."""
    if bool(online.redis_url) != (online.store == "redis"):
        raise SettingsError(
            f"setting online.redis_url: {'set' if online.redis_url else 'not set'} while "
            f"online.store is {online.store}; a URL (in PREDICTFLOW_ONLINE_REDIS_URL) and the "
            "store redis go together"
        )
    if online.recent_by == "serving" and online.store == "redis":
        raise SettingsError(
            "setting online.recent_by: the service records into the SQLite store only; with "
            "online.store redis set it to stream, and run `predictflow stream`"
        )
    if online.redis_url:
        _check_redis_url(online.redis_url.reveal())
    if online.registry_url and "://" not in online.registry_url.reveal():
        raise SettingsError(
            "setting online.registry_url: no SQLAlchemy URL; expected the form "
            "postgresql+psycopg://user:password@host/database"
        )


def _check_redis_url(url: str) -> None:
    form = "expected redis://[user:password@]host[:port][/database], or rediss:// for TLS"
    try:
        parts = urlsplit(url)
        _, database = parts.port, parts.path.strip("/")  # a wrong port raises
    except ValueError:  # its own text may show a part of the URL
        raise SettingsError(f"setting online.redis_url: no URL; {form}") from None
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise SettingsError(f"setting online.redis_url: no URL of a Redis server; {form}")
    if database and not database.isdigit():
        raise SettingsError(f"setting online.redis_url: its database is no number; {form}")
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name not in REDIS_OPTIONS:
            raise SettingsError(
                f"setting online.redis_url: option {name!r} is not known; known: "
                + ", ".join(REDIS_OPTIONS)
            )

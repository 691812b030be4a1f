"""Bundles in S3, or what speaks its protocol: where services on other machines have them from.

    s3://bucket/prefix/
      2026-03-01-v7-4f2a.../model.ubj, manifest.json
      champion.json                the promotion that was published last: what services follow

A bundle is put, read back, and only then named by the pointer. The pointer is put over the one that
was read (If-Match), and only by a promotion of a higher number, so of two publishers the later
promotion stays, whatever the order they get through in. Credentials, region and AWS_ENDPOINT_URL
are those of AWS's own tools.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.modelling.bundle import (
    MANIFEST,
    MODEL,
    BundleError,
    below,
    read_bundle,
    take_in,
)
from fraud_platform.modelling.promotion_log import Entry, PromotionRefused
from fraud_platform.modelling.promotions import live

POINTER = "champion.json"

CONNECT_S, ANSWER_S = 3, 10
_TRIES = 10
_UNCHANGED, _MISSING = {"304", "NotModified"}, {"404", "NoSuchKey"}
_LOST = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}


class Pointer(NamedTuple):
    """The promotion that was published last, and the tag of the object that says so."""

    entry: Entry
    etag: str


class RemoteBundles:
    """The bundles at a URL, s3://bucket/prefix; used from one thread at a time.

    Every method raises UnavailableError where S3 can't be reached or used just now, and
    PredictFlowError for what only a person can mend. Nothing is connected to before the first.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._opened: Any = None

    def pointer(self, known: str = "") -> Pointer | None:
        """The promotion published last; None where its tag is `known`, or there is none yet."""
        asked = {"IfNoneMatch": known} if known else {}
        with self._telling("reading the pointer"):
            found = self._get(POINTER, **asked)
        if found is None:
            return None
        raw, etag = found
        try:
            return Pointer(msgspec.json.decode(raw, type=Entry), etag)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BundleError(
                f"{self.url}/{POINTER} is not readable: {error}; publish the live model again: "
                "predictflow models publish"
            ) from error

    def publish(self, root: Path) -> Entry | None:
        """Makes the model that is live below `root` the published one; None where none is live.

        Raises PromotionRefused where a later promotion is published already, or one of the same
        number with another model.
        """
        for _ in range(_TRIES):
            entry = live(root)
            if entry is None:
                return None
            there = self._pointer_to_replace()
            if there is not None and _same(there.entry, entry):
                return entry
            if there is not None and there.entry.number >= entry.number:
                raise PromotionRefused(_behind(self.url, there.entry, entry))
            self._put_bundle(root / entry.bundle)
            if self._put_pointer(entry, there):
                return entry
        raise UnavailableError(f"{self.url}: others publish at the same time; do it again")

    def fetch(self, entry: Entry, root: Path) -> Path:
        """The verified bundle of a promotion below `root`, from S3 where it isn't there whole.

        Raises BundleError where the bytes that came are not those that were promoted.
        """
        final = below(root, entry.bundle, f"{self.url}/{POINTER}")
        try:
            if read_bundle(final)[0].sha256[MODEL] == entry.sha256:
                return final
        except BundleError:
            pass  # not there, or damaged: it comes from S3
        files = {name: self._read(f"{entry.bundle}/{name}") for name in (MODEL, MANIFEST)}
        try:
            return take_in(root, entry.bundle, files, entry.sha256)
        except BundleError as error:
            raise BundleError(f"{self.url}/{entry.bundle}: it came damaged: {error}") from error

    def _pointer_to_replace(self) -> Pointer | None:
        try:
            return self.pointer()
        except BundleError as error:
            raise PromotionRefused(
                f"{error}, once the broken pointer was taken away (or restored from the bucket's "
                "versions)"
            ) from error

    def _put_bundle(self, bundle: Path) -> None:
        read_bundle(bundle)
        for name in (MODEL, MANIFEST):
            raw, key = (bundle / name).read_bytes(), f"{bundle.name}/{name}"
            with self._telling(f"writing {key}"):
                self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=raw)
            if self._read(key) != raw:
                raise UnavailableError(f"{self.url}/{key} is not what was written; do it again")

    def _put_pointer(self, entry: Entry, over: Pointer | None) -> bool:
        """False where another was there first."""
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over.etag}
        body = msgspec.json.format(msgspec.json.encode(entry))
        with self._telling("writing the pointer"):
            try:
                self._client.put_object(
                    Bucket=self._bucket, Key=self._key(POINTER), Body=body, **condition
                )
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in _LOST:
                    return False
                raise
        return True

    def _read(self, key: str) -> bytes:
        with self._telling(f"reading {key}"):
            found = self._get(key)
        if found is None:
            raise BundleError(f"{self.url}/{key} is not there: publish the model again")
        return found[0]

    def _get(self, key: str, **asked: str) -> tuple[bytes, str] | None:
        """An object's bytes and tag; None where it isn't there, or hasn't changed."""
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._key(key), **asked)
            return found["Body"].read(), found["ETag"]
        except self._client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _UNCHANGED | _MISSING:
                return None
            raise

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    @property
    def _client(self) -> Any:
        if self._opened is None:
            # Only who has bundles in S3 pays for it: 0.3 s of the start, and 40 MiB.
            import botocore.session  # noqa: PLC0415
            from botocore.config import Config  # noqa: PLC0415

            # What isn't AWS seldom has a host name for each bucket.
            own = any(os.environ.get(f"AWS_ENDPOINT_URL{of}") for of in ("", "_S3"))
            config = Config(
                connect_timeout=CONNECT_S,
                read_timeout=ANSWER_S,
                retries={"mode": "standard", "total_max_attempts": 2},
                s3={"addressing_style": "path" if own else "auto"},
            )
            self._opened = botocore.session.Session().create_client("s3", config=config)
        return self._opened

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        """Turns what the client raises into an error that says where, and what to do."""
        from botocore import exceptions  # noqa: PLC0415 - as in _client

        what = f"bundles in {self.url}, {doing}"
        try:
            yield
        except exceptions.ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            said = _said(error.response.get("Error", {}))
            if status >= 500 or status == 429:
                raise UnavailableError(f"{what}: S3 failed ({said}); do it again") from error
            raise PredictFlowError(
                f"{what}: S3 refused ({said}); see that the bucket is there and that the "
                "credentials may read it, and write it where models are promoted"
            ) from error
        except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
            raise PredictFlowError(
                f"{what}: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give "
                "this machine a role"
            ) from error
        except _damaged(exceptions) as error:
            raise BundleError(f"{what}: it came damaged: {error}") from error
        except (exceptions.BotoCoreError, OSError) as error:
            raise UnavailableError(
                f"{what}: S3 cannot be reached ({type(error).__name__}: {error})"
            ) from error


def _said(error: Mapping[str, Any]) -> str:
    return f"{error.get('Code', 'no code')}: {error.get('Message', 'no message')}"


def _damaged(exceptions: Any) -> tuple[type[Exception], ...]:
    """What the client raises for bytes that are not what S3 says they are."""
    checked = (exceptions.ChecksumError, exceptions.FlexibleChecksumError)
    return (*checked, exceptions.IncompleteReadError)


def _same(one: Entry, other: Entry) -> bool:
    return (one.number, one.bundle, one.sha256) == (other.number, other.bundle, other.sha256)


def _behind(url: str, there: Entry, here: Entry) -> str:
    return (
        f"v{here.model_version} of {here.partition} (promotion {here.number}) was not published: "
        f"{url} has promotion {there.number}, v{there.model_version} of {there.partition} by "
        f"{there.who} at {there.at}; promote where that was done, or give this installation "
        "another prefix in serving.bundles_url"
    )

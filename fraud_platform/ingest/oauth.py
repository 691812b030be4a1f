"""Access tokens for Kafka's OAUTHBEARER, by OAuth 2.0 client credentials (RFC 6749, 4.4)."""

import base64
import threading
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from kafka.net.sasl.oauth import AbstractTokenProvider

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.settings import Kafka

_TIMEOUT_SECONDS = 5
_ASSUMED_SECONDS = 60  # where the server doesn't say how long a token lives
_USED_SHARE = 0.8  # of a token's life; the rest is for clocks that differ
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MEND = (
    "check settings kafka.oauth_token_url, kafka.oauth_scope, kafka.sasl_username and "
    "PREDICTFLOW_KAFKA_SASL_PASSWORD"
)


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = _ASSUMED_SECONDS


class _Refusal(msgspec.Struct):
    error: str = ""
    error_description: str = ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The secret goes to the address that was set, and to no other that it names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class TokenProvider(AbstractTokenProvider):
    """Gets tokens for the client of the settings, each used until shortly before it expires.

    Raises PredictFlowError where the server refuses, UnavailableError where it can't be reached.
    """

    def __init__(self, kafka: Kafka) -> None:
        super().__init__()
        url = urlsplit(kafka.oauth_token_url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            raise PredictFlowError(
                f"setting kafka.oauth_token_url: {kafka.oauth_token_url!r} is not an https:// "
                "address; the client's secret is sent there"
            )
        self._kafka = kafka
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = 0.0

    def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride] - old stubs
        with self._lock:
            now = time.monotonic()
            if now >= self._good_until:
                fetched = self._fetch()
                self._token = fetched.access_token
                self._good_until = now + _USED_SHARE * fetched.expires_in
            return self._token

    def _fetch(self) -> _Token:
        url = self._kafka.oauth_token_url
        form = {"grant_type": "client_credentials"}
        if self._kafka.oauth_scope:
            form["scope"] = self._kafka.oauth_scope
        client = [self._kafka.sasl_username, self._kafka.sasl_password.reveal()]
        login = base64.b64encode(":".join(map(quote_plus, client)).encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - http and https only, checked above
            url, urlencode(form).encode(), {"Authorization": f"Basic {login}"}
        )
        try:
            with urllib.request.build_opener(_NoRedirects).open(
                request, timeout=_TIMEOUT_SECONDS
            ) as answer:
                return msgspec.json.decode(answer.read(), type=_Token)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from error
        except OSError as error:
            raise UnavailableError(
                f"the token server {url} can't be reached: {getattr(error, 'reason', error)}"
            ) from error
        except msgspec.MsgspecError as error:
            raise PredictFlowError(f"{url} answers with no OAuth 2.0 token: {error}") from error

    def _refused(self, error: urllib.error.HTTPError) -> PredictFlowError:
        url = self._kafka.oauth_token_url
        if error.code >= 500 or error.code == 429:
            return UnavailableError(f"the token server {url} answers {error.code}; it may pass")
        try:
            said = msgspec.json.decode(error.read(), type=_Refusal)
        except msgspec.MsgspecError:  # no OAuth 2.0 error; the status says what there is to say
            said = _Refusal()
        why = " ".join(filter(None, (str(error.code), said.error, said.error_description)))
        return PredictFlowError(
            f"the token server {url} refuses client {self._kafka.sasl_username!r}: {why}; {_MEND}"
        )

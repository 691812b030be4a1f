"""kafka-python's first contact with a cluster, made to fail soon and with its reason.

kafka-python 3.0.12 tries on until its time is up whatever the fault, and then says only "unable to
bootstrap". Its setting `kafka_client` takes a maker of clients; this one is `failing_fast`.
"""

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from kafka.errors import (
    AuthorizationError,
    IllegalSaslStateError,
    InvalidReceiveError,
    KafkaConfigurationError,
    KafkaTimeoutError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.future import Future
from kafka.net.compat import KafkaNetClient
from kafka.net.connection import KafkaConnection
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from fraud_platform.errors import PredictFlowError, UnavailableError

LOGIN_REFUSED = (
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
    IllegalSaslStateError,
)


def failing_fast(**configs: Any) -> KafkaNetClient:
    """A client that gives up where every broker gave a reason that no waiting mends."""
    configs["proxy_url"] = "direct://"
    net = NetworkSelector(**configs)
    return KafkaNetClient(net, _Manager(net, **configs))


def tls_refused(error: BaseException) -> bool:
    """Whether TLS failed for good: an untrusted certificate, say; a broken connection is none."""
    return "[SSL" in str(error) and "UNEXPECTED_EOF" not in str(error)


def _lasts(error: BaseException | None) -> bool:
    if isinstance(error, PredictFlowError):
        return not isinstance(error, UnavailableError)
    refusals = (*LOGIN_REFUSED, AuthorizationError, InvalidReceiveError, KafkaConfigurationError)
    return error is not None and (isinstance(error, refusals) or tls_refused(error))


class _Direct(KafkaNetSocket):
    """Connects as ever, but closes a socket that finds nobody; chosen as a proxy would be."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return await super().sock_connect(net, sock, *arguments, **options)
        except BaseException:
            sock.close()
            raise


class ClosedOnFailure(ssl.SSLSocket):
    """A socket that ends with a failed handshake; kafka-python would leave it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


class _Manager(KafkaConnectionManager):
    def __init__(self, net: NetworkSelector, **configs: Any) -> None:
        super().__init__(net, **configs)
        self._why: dict[str, BaseException] = {}  # bootstrap node -> why it failed

    def bootstrap(self, timeout_ms: float | None = None, refresh: bool = True) -> None:
        try:
            super().bootstrap(timeout_ms, refresh)
        except BaseException as error:
            # The clients bootstrap while they are made: nobody else can close what is open.
            self.close()
            self._net.close()
            reasons = sorted(self._why.values(), key=_lasts)
            if isinstance(error, KafkaTimeoutError) and reasons:
                raise reasons[-1] from error
            raise

    def bootstrap_async(self, timeout_ms: float | None = None, refresh: bool = True) -> Future:
        self._why.clear()
        return super().bootstrap_async(timeout_ms, refresh)

    def get_connection(self, node_id: Any, *arguments: Any, **options: Any) -> KafkaConnection:
        connection = super().get_connection(node_id, *arguments, **options)
        if self.cluster.is_bootstrap(node_id):
            connection.close_future.add_errback(partial(self._note, node_id))
        return connection

    def _note(self, node_id: Any, error: BaseException) -> None:
        # The end of our patience cuts a last try short; that is no news of a refusal.
        if _lasts(error) or not _lasts(self._why.get(node_id)):
            self._why[node_id] = error

    def maybe_raise_auth_failure(self, node_id: Any) -> None:
        super().maybe_raise_auth_failure(node_id)
        cluster: Any = self.cluster  # its type stubs are of an older release
        brokers = [broker.node_id for broker in cluster.bootstrap_brokers()]
        if node_id in brokers and all(_lasts(self._why.get(broker)) for broker in brokers):
            raise self._why[node_id]

    async def _build_transport(self, *arguments: Any, **options: Any) -> Any:
        transport = await super()._build_transport(*arguments, **options)
        transport._sock_recv = partial(_received, transport._sock_recv)
        return transport


def _received(receive: Callable[[], tuple[bytes, Any]]) -> tuple[bytes, Any]:
    """What came before the end of the connection, then, at the next call, the end.

    kafka-python drops the former. It is the broker's answer to a wrong password.
    """
    data, error = receive()
    return (data, None) if data else (data, error)

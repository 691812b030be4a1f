"""A process's figures on a port of its own, for Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Exporter, Ingest, Stream


@contextmanager
def metrics_served(
    registry: CollectorRegistry, settings: Exporter | Ingest | Stream
) -> Iterator[int]:
    """Shows the figures on the section's host and port while the block runs; gives the port.

    Raises PredictFlowError, naming the setting, where the port can't be had.
    """
    host, port = settings.metrics_host, settings.metrics_port
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        section = type(settings).__name__.lower()
        raise PredictFlowError(
            f"setting {section}.metrics_port: can't listen on {host}:{port} ({error}); "
            "another process may, so set another port, or 0 for a free one"
        ) from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""`predictflow serve`: the service, until it is told to end."""

import msgspec

from fraud_platform.settings import load_settings


def run_serve(host: str | None, port: int | None, workers: int | None) -> None:
    from serving.run import serve  # noqa: PLC0415 - the service and what it needs

    settings = load_settings()
    options = {"host": host, "port": port, "workers": workers}
    given = {name: value for name, value in options.items() if value is not None}
    serving = msgspec.structs.replace(settings.serving, **given)
    serve(msgspec.structs.replace(settings, serving=serving))

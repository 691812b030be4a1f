"""`predictflow serve`: the service in this process."""

import msgspec

from fraud_platform.settings import load_settings


def run_serve(host: str | None, port: int | None) -> None:
    from serving.run import serve  # noqa: PLC0415 - the service and what it needs

    settings = load_settings()
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    serving = msgspec.structs.replace(settings.serving, **given)
    serve(msgspec.structs.replace(settings, serving=serving))

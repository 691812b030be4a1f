"""The sensor that keeps the platform's figures fresh for the exporter and the status page."""

import time

import dagster as dg

from fraud_platform.defs.resources import Platform


@dg.sensor(
    name="platform_figures",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Gathers the platform's figures into one small file, and sends them to Datadog's "
    "agent where there is one; asks for no runs.",
)
def platform_figures(context: dg.SensorEvaluationContext, platform: Platform) -> dg.SkipReason:
    """Reads logs and reports alone, so it runs from the start."""
    from fraud_platform.dogstatsd import send_gauges  # noqa: PLC0415
    from fraud_platform.monitoring.figures import gather  # noqa: PLC0415 - SciPy
    from fraud_platform.monitoring.figures_file import write_figures  # noqa: PLC0415
    from fraud_platform.monitoring.figures_metrics import registry_of  # noqa: PLC0415

    settings, began = platform.settings, time.perf_counter()
    figures = gather(settings, platform.lake, context.instance)
    write_figures(settings.figures_file, figures)
    send_gauges(registry_of(lambda: figures, settings), settings.datadog)
    for fault in figures.faults:
        context.log.warning(fault)
    took = (time.perf_counter() - began) * 1000
    return dg.SkipReason(f"{settings.figures_file} written in {took:.0f} ms")

"""One typed settings object, from `predictflow.toml` and `PREDICTFLOW_*`, checked once.

A setting's environment variable is its path in capitals: `[training] window_days` is
`PREDICTFLOW_TRAINING_WINDOW_DAYS`. The environment wins over the file.
"""

from fraud_platform.settings.alerts import Alerts
from fraud_platform.settings.base import Secret
from fraud_platform.settings.datadog import Datadog
from fraud_platform.settings.loading import SettingsError, load_settings
from fraud_platform.settings.monitoring import Drift, Exporter, QualityFloors
from fraud_platform.settings.retrain import Retrain
from fraud_platform.settings.sections import (
    Ingest,
    Kafka,
    Labels,
    Maintenance,
    Online,
    Quality,
    Settings,
    Source,
    Stream,
)
from fraud_platform.settings.serving import Serving
from fraud_platform.settings.training import Gate, Training

__all__ = [
    "Alerts",
    "Datadog",
    "Drift",
    "Exporter",
    "Gate",
    "Ingest",
    "Kafka",
    "Labels",
    "Maintenance",
    "Online",
    "Quality",
    "QualityFloors",
    "Retrain",
    "Secret",
    "Serving",
    "Settings",
    "SettingsError",
    "Source",
    "Stream",
    "Training",
    "load_settings",
]

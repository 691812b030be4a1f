"""The platform's figures in their one small file, which the service and the exporter read."""

from pathlib import Path

import msgspec

from fraud_platform.contracts.monitoring import Figures
from fraud_platform.durable import replace_durably
from fraud_platform.errors import PredictFlowError


def write_figures(path: Path, figures: Figures) -> None:
    """Writes the figures; a reader sees the former ones or these."""
    replace_durably(path, msgspec.json.encode(figures))


def read_figures(path: Path) -> Figures | None:
    """The figures that were gathered last, None where none were yet.

    Raises PredictFlowError for a file that is none of ours, or may not be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Figures)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PredictFlowError(
            f"{path} is not readable: {error}; the sensor platform_figures writes it anew"
        ) from error

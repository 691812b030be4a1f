"""What of a training can be set for one run, in the launchpad."""

import dagster as dg
import msgspec
from pydantic import Field

from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Training, load_settings

_set = load_settings().training


class TrainingConfig(dg.Config):
    """Sizes of one run's window and trees; what isn't given is as in the settings."""

    window_days: int = Field(_set.window_days, description="Days of mature labels in all.")
    gap_days: int = Field(_set.gap_days, description="Days left out after the fit days.")
    validation_days: int = Field(
        _set.validation_days, description="Days for trees, calibration and threshold; 0: none."
    )
    test_days: int = Field(_set.test_days, description="Last days, which are reported.")
    split: str = Field(
        _set.split, description="`time`, or `random`: validation rows of the fit days."
    )
    trees: int = Field(_set.trees, description="Most trees.")
    depth: int = Field(_set.depth, description="Depth of a tree.")
    learning_rate: float = Field(_set.learning_rate, description="Weight of a tree, 0 to 1.")
    negative_share: float = Field(
        _set.negative_share, description="Share of the legitimate rows that are fitted on."
    )
    seed: int = Field(_set.seed, description="Of all that is drawn.")

    tune_minutes: int = Field(
        _set.tune_minutes, description="Minutes to look for better trees first; 0: off."
    )

    def over(self, training: Training) -> Training:
        """The settings with this run's values in their place, where they aren't the defaults.

        Dagster doesn't say which were given. Raises PredictFlowError for one that is out of range.
        """
        given = {
            name: value for name, value in self.model_dump().items() if value != getattr(_set, name)
        }
        try:
            return msgspec.convert(msgspec.to_builtins(training) | given, Training)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$.")
            name = where.rstrip("`")
            raise PredictFlowError(
                f"the run's configuration of fraud_model: {name} is {getattr(self, name)}. {what}; "
                "change it in the launchpad, or leave it out"
            ) from error

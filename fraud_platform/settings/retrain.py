"""When the platform asks for a model by itself, and what that model is trained on."""

from typing import Annotated

from msgspec import Meta

from fraud_platform.settings.base import NotNegative, Positive, Section


class Retrain(Section, frozen=True):
    """What drift and poor decisions lead to. Days are those of the data, so that days caught up on
    in one night count as if each had been made in its own."""

    on: bool = False
    """Whether Dagster's sensors that ask for a training run from the start; in its pages each can
    be switched on and off whatever this says."""
    drift_days: Positive = 2
    """Judged days in a row that drifted before drift counts as lasting."""
    low_days: Positive = 2
    """Judged days in a row with decisions below `quality_floors` before that counts as lasting."""
    quiet_days: Positive = 2
    """Judged days in a row without a finding, after which what lasted counts as over."""
    min_drifted: Positive = 1
    """Features (the score is one of them) that drift on a day that counts as drifted."""
    new_days: NotNegative = 1
    """Days since it began whose labels a training has to have to fit on. Before that the model
    would learn the old ways once more; 0 asks at once."""
    cooldown_days: Positive = 3
    """Days between two trainings that were asked for, whatever for."""
    max_per_week: Positive = 2
    """Trainings that are asked for in seven days at most, whatever for."""
    window_days: Annotated[int, Meta(ge=2)] = 14
    """Days of mature labels that such a model is trained and tested on, where training.window_days
    are not fewer: few enough for the new ways to weigh (docs/monitoring.md has figures)."""
    test_days: Positive = 2
    """Last days of them, on which it has to beat the live model."""

"""What the gate said of a challenger: conditions with figure, limit and reason."""

import msgspec

GATE = "gate.json"
NEEDED_TO_SERVE = ("schema", "scores")
"""Without these no service takes a model, whoever wants it."""


class Condition(msgspec.Struct, frozen=True):
    """One thing asked of a challenger: what was found, what was asked, and both in words."""

    name: str
    figure: str
    limit: str
    passed: bool
    sentence: str


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest day of features showed of the platform and of the challenger.

    `vectors` were replayed through the online path, of which `differing` values had other bits;
    `scored` rows were scored, `improbable` of them with something else than a probability. `fault`
    is why nothing could be replayed.
    """

    day: str
    vectors: int
    differing: int
    scored: int
    improbable: int
    fault: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate said of a model at a moment (RFC 3339), beside the live one of that moment."""

    model_name: str
    model_version: str
    live_version: str | None
    at: str
    conditions: list[Condition]

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.conditions)

    @property
    def can_serve(self) -> bool:
        """Whether a service would take the model, refused or not."""
        return all(one.passed for one in self.conditions if one.name in NEEDED_TO_SERVE)

    @property
    def refusal(self) -> str:
        """Why it was refused, as one sentence; empty where it was not."""
        reasons = [one.sentence for one in self.conditions if not one.passed]
        told = "; ".join(reasons)
        return f"{self.model_name} v{self.model_version} was not promoted: {told}" if told else ""

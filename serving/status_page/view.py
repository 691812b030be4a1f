"""What the page is made of: the service as it is, and the platform's figures."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from fraud_platform.contracts.monitoring import Figures
from fraud_platform.monitoring.attention import GATHERER, Concern, concerns, stale
from fraud_platform.monitoring.words import age, moment, shown
from fraud_platform.settings import Drift
from serving.health import Ready
from serving.minutes import Counted

DEGRADED = 0.05
"""Share of degraded decisions in an hour that somebody should look into."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The page's content: `minutes` are the last hour's, oldest first, up to `now`.

    `figures` are None, and `fault` says why, where they can't be had. `refresh` is after how many
    seconds the browser asks again, None for not by itself. `run_url` is what a run's id follows.
    """

    now: datetime
    ready: Ready
    promoted_at: str = ""
    minutes: Sequence[Counted | None]
    figures: Figures | None
    fault: str = ""
    drift: Drift
    run_url: str = ""
    refresh: int | None = None

    @property
    def made(self) -> datetime | None:
        """When the figures were gathered; None without any, or of an unreadable moment."""
        return moment(self.figures.at) if self.figures else None

    @property
    def banner(self) -> Concern | None:
        """What is wrong with the figures themselves."""
        if self.figures is None:
            says = f"The platform's figures can't be shown: {self.fault}"
        elif self.made is None:
            says = f"The figures say they are of {self.figures.at!r}, which is no moment"
        elif stale(self.made, self.now):
            behind = (self.now - self.made).total_seconds()
            how = f"{age(behind)} old" if behind > 0 else f"of a moment {age(-behind)} ahead"
            says = f"The platform's figures are {how}: of {shown(self.made)}"
        else:
            return None
        return Concern(says=says, mend=GATHERER, alert="FraudFiguresStale")

    @property
    def concerns(self) -> list[Concern]:
        """All that needs a person: of the figures themselves, of the service, of the platform."""
        banner = self.banner
        return (
            ([banner] if banner else [])
            + _of_service(self)
            + (concerns(self.figures) if self.figures else [])
        )


def _of_service(view: View) -> list[Concern]:
    alert = "FraudDegradedHigh" if view.ready.ready else "FraudNoModel"
    reasons = view.ready.reasons or []
    found = [
        Concern(
            says=f"This service: {reason}", mend="docs/serving.md, What to do when", alert=alert
        )
        for reason in (reasons if isinstance(reasons, list) else [])
    ]
    counts = [one for one in view.minutes if one is not None]
    decisions, degraded = (
        sum(getattr(one, n) for one in counts) for n in ("decisions", "degraded")
    )
    if decisions and degraded / decisions > DEGRADED:
        found.append(
            Concern(
                says=f"{degraded:,} of {decisions:,} decisions of the last hour were degraded",
                mend="See the online store in /health/ready",
                alert="FraudDegradedHigh",
            )
        )
    live = view.figures.model if view.figures else None
    served = view.ready.model_version
    since = moment(live.since) if live else None
    settled = since is not None and view.now - since > timedelta(minutes=1)
    if live and settled and isinstance(served, str) and live.model_version != served:
        found.append(
            Concern(
                says=f"This service answers with v{served}, and v{live.model_version} is live",
                mend="/model says under refusal why the live one was not taken",
                alert="FraudModelRefused",
            )
        )
    return found

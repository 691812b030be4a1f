"""The steps of `predictflow drill drift`: quiet days, then a shift, then a model that learnt it."""

import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

from fraud_platform.commands.drill_daemon import Daemon, daemon
from fraud_platform.commands.drill_story import Missed, Story
from fraud_platform.commands.drill_world import START, DrillWorld, Plan, answers, caught
from fraud_platform.commands.own_service import get, service
from fraud_platform.modelling.bundle import champion_path, read_bundle
from fraud_platform.modelling.promotions import live
from fraud_platform.modelling.verdict import Verdict
from fraud_platform.registry import Registry
from fraud_platform.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

SENSOR = "retrain_on_drift"
MODEL = "online_features,fraud_model,evaluation_report,deployed_model"
STARTS_SECONDS, TICKS_SECONDS, TRAINS_SECONDS, SWAPS_SECONDS = 300.0, 300.0, 900.0, 60.0


@dataclass
class Result:
    """What came of a drill, for who reads the document."""

    folder: str
    story: str
    quiet_days: int = 0
    false_alarms: int = 0
    found_on: str = ""
    findings: list[str] = field(default_factory=list)
    run_key: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    gate: str = ""
    models: list[str] = field(default_factory=list)
    caught: list[int] = field(default_factory=list)
    asked: int = 0
    seconds_from_data_to_model: float = 0.0
    seconds: float = 0.0


class Drill:
    """What happens, step by step, told as it does; raises Missed where a step doesn't come."""

    def __init__(
        self, settings: Settings, plan: Plan, story: Story, result: Result, stopped: Event
    ) -> None:
        self.settings, self.plan, self.result = settings, plan, result
        self._story, self._stopped = story, stopped
        self._followed: set[str] = set()

    def tell(self, text: str) -> None:
        """One thing that happened; raises KeyboardInterrupt where nobody wants to hear more."""
        if self._stopped.is_set():
            raise KeyboardInterrupt
        self._story.tell(text)

    def play(self) -> None:
        folder, plan = self.settings.data_dir, self.plan
        self.tell(f"The drill lives in {folder}")
        with daemon(self.settings) as watch:
            self.tell(f"Dagster's daemon starts (process {watch.process.pid}), {SENSOR} is on")
            self.world = DrillWorld(self.settings, plan)
            self._first_model()
            tick = watch.wait(
                f"{SENSOR} looks for the first time",
                lambda: watch.tick(SENSOR, 0.0),
                STARTS_SECONDS,
            )
            self.tell(f"The sensor looked for the first time: {tick.skip_reason}")
            with service(self.settings) as address:
                self.address = address
                self.tell(f"The service answers on {address} with {self._serving()}")
                if plan.quiet:
                    self._quiet_days(watch)
                self._shift(watch)
        self.tell("The daemon, its code server and the service have ended")

    def _first_model(self) -> None:
        last = START + timedelta(days=self.plan.before - 1)
        count = self.world.land(START, last)
        self.tell(f"{self.plan.before} days landed, {START} to {last}: {count:,} payments")
        self.world.make(START, last)
        self.tell("Their tables and features are made")
        self.world.make(last, last, MODEL)
        path = champion_path(self.settings.bundles_dir)
        if path is None:
            registry = Registry(self.settings)
            verdict = registry.verdict(registry.newest(last.isoformat()))
            raise Missed(f"no first model is live: {verdict.refusal if verdict else 'not judged'}")
        manifest, _ = read_bundle(path)
        metrics = manifest.metrics
        self.result.models.append(manifest.model_version)
        self.tell(
            f"The first model is live: v{manifest.model_version} of {last}, average precision "
            f"{metrics['average_precision']:.3f}, recall {metrics['recall']:.0%} at precision "
            f"{metrics['precision']:.0%}"
        )

    def _quiet_days(self, watch: Daemon) -> None:
        first = START + timedelta(days=self.plan.before)
        last = self.plan.shift_on - timedelta(days=1)
        count = self.world.land(first, last)
        self.world.make(first, last)
        self.tell(f"{self.plan.quiet} quiet days landed and made, to {last}: {count:,} payments")
        for i in range(self.plan.quiet):
            day = first + timedelta(days=i)
            self.result.quiet_days += 1
            if findings := self.world.report(day).findings:
                self.result.false_alarms += 1
                self.tell(f"A false alarm on {day}: {'; '.join(findings)}")
            elif i % 7 == 6:
                self.tell(f"The days to {day} are like the training")
        since = time.time()
        tick = watch.wait(
            f"{SENSOR} looks after the quiet days", lambda: watch.tick(SENSOR, since), TICKS_SECONDS
        )
        alarms, asked = self.result.false_alarms, watch.asked(SENSOR)
        if alarms or asked:
            raise Missed(
                f"{alarms} of {self.plan.quiet} quiet days raised an alarm, and {len(asked)} "
                f"trainings were asked for; look into {self.settings.drift_dir}"
            )
        self.tell(
            f"{self.plan.quiet} quiet days: no alarm, no training. The sensor: {tick.skip_reason}"
        )

    def _shift(self, watch: Daemon) -> None:
        """Days of the new ways, until the service answers with a model that learnt them."""
        shift = self.plan.world.shift
        assert shift is not None
        self.tell(
            f"From {shift.on} on the world is another: amounts {shift.amounts:g} times, hours "
            f"{shift.hours_later:g} later, and payments at night by who took over a device"
        )
        for i in range(self.plan.most):
            day = shift.on + timedelta(days=i)
            landed = time.monotonic()
            count = self.world.land(day, day)
            self.world.make(day, day)
            self.world.freshen(day)
            frauds = self.world.frauds(day + timedelta(days=1))
            before = answers(self.address, frauds)
            report = self.world.report(day)
            said = f"{day} landed and is made: {count:,} payments. Of {len(frauds)} new frauds "
            self.tell(f"{said}that follow the service stops {caught(before)}")
            self._found(day, report.findings)
            if not self.result.found_on or day < self._ready():
                continue
            run_id = self._asked(watch)
            if run_id and self._trained(watch, run_id):
                self._served(frauds, before, landed)
                return
        raise Missed(
            f"no new model is live {self.plan.most} days after the shift; the sensor's last words "
            f"and the gate's are in {self.result.story}"
        )

    def _found(self, day: date, findings: list[str]) -> None:
        if findings and not self.result.found_on:
            self.result.found_on, self.result.findings = day.isoformat(), findings
            self.tell(f"Drift is found on {day}, in {len(findings)} ways, the farthest first:")
            for text in findings[:5]:
                self.tell(f"  {text}")
        elif findings:
            self.tell(f"Drift again on {day}: {', '.join(t.partition(':')[0] for t in findings)}")
        else:
            self.tell(f"No drift is found on {day}")

    def _ready(self) -> date:
        """The first day at whose end there are labels to train on and to judge by."""
        retrain, maturity = self.settings.retrain, self.settings.labels.maturity_days
        days = max(retrain.drift_days - 1, retrain.new_days - 1 + maturity + retrain.test_days)
        return date.fromisoformat(self.result.found_on) + timedelta(days=days)

    def _asked(self, watch: Daemon) -> str | None:
        """The run that the sensor asks for, once it has looked at all that is there by now."""
        since = time.time()
        runs = self._unfollowed(watch)
        if not runs:
            tick = watch.wait(
                f"{SENSOR} looks at the day", lambda: watch.tick(SENSOR, since), TICKS_SECONDS
            )
            if tick.error:
                raise Missed(f"{SENSOR} failed: {tick.error.message}; look into {watch.log}")
            runs = self._unfollowed(watch)
            if not runs:
                self.tell(f"The sensor asks for nothing: {tick.skip_reason}")
                return None
        run = runs[0]
        self._followed.add(run.run_id)
        mine = ("predictflow/", "dagster/run_key")
        self.result.tags = {key: run.tags[key] for key in run.tags if key.startswith(mine)}
        self.result.run_key = run.tags["dagster/run_key"]
        reason = self.result.tags.get("predictflow/reason")
        if reason != "drift" or not self.result.run_key.startswith("drift:"):
            raise Missed(f"run {run.run_id} has no reason of drift: {self.result.tags}")
        self.tell(f"The sensor asks for a training: {self.result.run_key}")
        return run.run_id

    def _unfollowed(self, watch: Daemon) -> "list[dg.DagsterRun]":
        return [run for run in watch.asked(SENSOR) if run.run_id not in self._followed]

    def _trained(self, watch: Daemon, run_id: str) -> bool:
        """Whether the run's model went live; the gate's words are told either way."""

        def ended() -> "dg.DagsterRun | None":
            run = watch.on.get_run_by_id(run_id)
            return run if run and run.is_finished else None

        run = watch.wait(f"run {run_id} ends", ended, TRAINS_SECONDS)
        if not run.is_success:
            raise Missed(f"run {run_id} is {run.status.value}; look into {watch.log}")
        registry, day = Registry(self.settings), run.tags["dagster/partition"]
        verdict = registry.verdict(registry.newest(day))
        if verdict is None:
            raise Missed(f"the model of {day} was not judged by the gate; look at run {run_id}")
        entry = live(self.settings.bundles_dir)
        if not verdict.passed or entry is None or entry.run_id != run_id:
            self.result.refused.append(verdict.refusal)
            self.tell(f"The gate refuses the challenger: {verdict.refusal}")
            return False
        self.result.models.append(entry.model_version)
        self.result.gate = _better(verdict)
        self.tell(f"v{entry.model_version} is trained on labels known by {day} and evaluated")
        self.tell(f"The gate lets it in: {self.result.gate}. It is deployed")
        return True

    def _served(
        self, frauds: list[dict[str, Any]], before: list[dict[str, Any]], landed: float
    ) -> None:
        new, deadline = self.result.models[-1], time.monotonic() + SWAPS_SECONDS
        while (now := self._serving()) != f"v{new}":
            if time.monotonic() > deadline:
                raise Missed(f"the service still answers with {now}, not v{new}; look into its log")
            time.sleep(0.1)
        self.result.seconds_from_data_to_model = round(time.monotonic() - landed, 1)
        self.tell(
            f"The service answers with {now}, {self.result.seconds_from_data_to_model:.0f} s after "
            "the day's data began to land"
        )
        after = answers(self.address, frauds)
        self.result.asked, self.result.caught = len(frauds), [caught(before), caught(after)]
        turned = [
            (payment, old, new)
            for payment, old, new in zip(frauds, before, after, strict=True)
            if new["is_fraud"] and not old["is_fraud"]
        ]
        if self.result.caught[1] <= self.result.caught[0] or not turned:
            raise Missed(
                f"of {len(frauds)} new frauds v{new} stops {caught(after)}, the model before it "
                f"{caught(before)}; the answers' log is {self.settings.decisions_dir}"
            )
        self.tell(
            f"Of the {len(frauds)} new frauds of the next day it stops {caught(after)}; the model "
            f"before it stopped {caught(before)}"
        )
        payment, old, new = max(turned, key=lambda one: one[2]["fraud_probability"])
        self.tell(
            f"{payment['amount']:.2f} at {payment['timestamp'][11:16]}: probability "
            f"{old['fraud_probability']:.3f}, let through; now {new['fraud_probability']:.3f}, "
            f"stopped, because {' and '.join(why['text'] for why in new['reasons'])}"
        )

    def _serving(self) -> str:
        model = get(f"{self.address}/model")["champion"]["model"]
        return f"v{model['model_version']}" if model else "no model"


def _better(verdict: Verdict) -> str:
    return next(one.sentence for one in verdict.conditions if one.name == "better")

"""`predictflow drill drift`: the world moves, and the platform learns it by itself.

Days are simulated and land one after another; a real Dagster daemon watches them. What trains,
judges and deploys is the platform's own sensor, job and gate; what answers is its own service.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from fraud_platform.commands import console
from fraud_platform.commands.drill_drift import Drill, Result
from fraud_platform.commands.drill_story import Story
from fraud_platform.commands.drill_world import START, Plan
from fraud_platform.errors import PredictFlowError
from fraud_platform.settings import Settings, load_settings

SETTINGS = """\
# The settings of a drill; PREDICTFLOW_CONFIG names this file to look at what it left.
data_dir = {folder}
first_day = "{first}"
retry_delay_seconds = 5
operator = "drill"

[labels]
maturity_days = 2

[retrain]
on = true

[serving]
repeat_seconds = 0  # the same payment is asked about again, of another model
feature_deadline_ms = 1000
"""


def run_drill(folder: Path | None, plan: Plan, *, keep: bool, as_json: bool) -> None:
    stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder = (folder or Path(f".predictflow-drill-{stamp}")).absolute()
    settings = _prepare(folder)
    begun = time.monotonic()
    with Story(folder / "story.log", quiet=as_json) as story:
        result = Result(folder=str(folder), story=str(story.path))
        with _by_hand() as stopped:
            try:
                Drill(settings, plan, story, result, stopped).play()
            except (KeyboardInterrupt, PredictFlowError) as error:
                story.tell("Stopped by hand" if stopped.is_set() else f"It ends here: {error}")
                story.tell("The daemon, its code server and the service have ended")
                raise
        result.seconds = round(time.monotonic() - begun, 1)
        story.tell("All of it happened, in this order.")
    if not keep:
        shutil.rmtree(folder)
    if as_json:
        console.emit(result.__dict__)
    elif keep:
        config = os.path.relpath(folder / "predictflow.toml")
        console.console.print(f"Look at it: PREDICTFLOW_CONFIG={config} predictflow status")


def _prepare(folder: Path) -> Settings:
    """A data directory of the drill's own, with its settings, which are this process's from now."""
    if folder.exists() and any(folder.iterdir()):
        raise PredictFlowError(f"{folder} isn't empty; a drill needs a folder of its own")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "predictflow.toml"
    config.write_text(SETTINGS.format(folder=json.dumps(str(folder)), first=START))
    for name in [name for name in os.environ if name.startswith("PREDICTFLOW_")]:
        del os.environ[name]  # of another installation
    os.environ["PREDICTFLOW_CONFIG"] = str(config)
    return load_settings()


@contextmanager
def _by_hand() -> Iterator[Event]:
    """SIGINT and SIGTERM end the block as KeyboardInterrupt, and set the event, as what runs in
    between may swallow that."""
    stopped = Event()

    def stop(*_: object) -> None:
        stopped.set()
        raise KeyboardInterrupt

    wanted = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield stopped
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)

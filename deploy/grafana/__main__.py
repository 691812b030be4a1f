"""python -m deploy.grafana [RUNBOOK]: writes the dashboards' JSON anew.

RUNBOOK is the address where docs/monitoring.md is shown, for the links of the panels.
"""

import json
import sys
from pathlib import Path

from deploy.grafana.data import DATA
from deploy.grafana.drift import DRIFT
from deploy.grafana.model import MODEL
from deploy.grafana.panels import Board, as_json
from deploy.grafana.service import SERVICE

BOARDS = (SERVICE, MODEL, DATA, DRIFT)
FOLDER = Path(__file__).parent / "dashboards"
RUNBOOK = "docs/monitoring.md"


def text_of(board: Board, runbook: str = RUNBOOK) -> str:
    """What the dashboard's file holds."""
    return json.dumps(as_json(board, runbook), indent=1, ensure_ascii=False) + "\n"


def main(runbook: str = RUNBOOK) -> None:
    """Writes all of them."""
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.name}.json").write_text(text_of(board, runbook))


if __name__ == "__main__":
    main(*sys.argv[1:])

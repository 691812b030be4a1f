"""The lineage page in a browser."""

import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from fraud_platform_tests.dagster_ui.process import DagsterDev

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
GROUPS = ("ingestion", "tables", "features", "model")
ASSETS = {
    "landed_events",
    "table_maintenance",
    "raw_transactions",
    "daily_tiles",
    "transaction_habits",
    "transaction_labels",
    "label_tiles",
    "transaction_features",
    "online_features",
    "online_labels",
    "fraud_model",
    "evaluation_report",
    "deployed_model",
}


@pytest.mark.skipif(BROWSER is None, reason="no chromium on the PATH; apt-get install chromium")
def test_the_lineage_page_shows_every_asset_and_no_dialog(dev: DagsterDev, tmp_path: Path) -> None:
    assert BROWSER
    expanded = quote(",".join(f"global@global:{group}" for group in GROUPS))
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path / 'profile'}",
            # Wide, as names are elided in a graph that is drawn small.
            "--window-size=5200,1800",
            "--virtual-time-budget=20000",
            "--timeout=60000",
            "--dump-dom",
            f"{dev.url}/asset-groups?expanded={expanded}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    page = done.stdout
    assert {name for name in ASSETS if name not in page} == set(), done.stderr[-2000:]
    assert "Join the Dagster community" not in page

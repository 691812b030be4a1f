import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from fraud_platform.scratch import scratch

HOLD = """
import sys, time
from pathlib import Path
from fraud_platform.scratch import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "matrix").write_text("rows")
    print(folder, flush=True)
    time.sleep(600)
"""


def test_it_is_empty_and_gone_afterwards_also_after_a_fault(tmp_path: Path) -> None:
    with scratch(tmp_path / "scratch") as folder:
        assert list(folder.iterdir()) == []
    assert not folder.exists()
    with suppress(ZeroDivisionError), scratch(tmp_path / "scratch") as folder:
        (folder / "file").touch()
        raise ZeroDivisionError
    assert not folder.exists()


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    held = Path(holder.stdout.readline().strip())
    with scratch(tmp_path):
        assert (held / "matrix").read_text() == "rows"
    holder.kill()
    holder.communicate()
    assert held.exists()
    with scratch(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]

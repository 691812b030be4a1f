"""`predictflow` in processes that are killed at a step of their work.

Importing everything takes seconds, so one process does it and forks for each command.
"""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PROGRAM = """
import os, signal, sys
from importlib import import_module

import matplotlib.pyplot, mlflow.xgboost, sklearn.metrics

from fraud_platform.cli import main
from fraud_platform.definitions import defs

defs()


def killed_at(place, call):
    # module:name or module:class.name, whose so-manieth call is the last thing that is done
    module, path = place.split(":")
    owner, names = import_module(module), path.split(".")
    for name in names[:-1]:
        owner = getattr(owner, name)
    real, calls = getattr(owner, names[-1]), [0]

    def counted(*arguments, **options):
        calls[0] += 1
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    setattr(owner, names[-1], counted)


print("ready", flush=True)
for line in sys.stdin:
    place, call, *arguments = line.split()
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        try:
            if place != "nowhere":
                killed_at(place, int(call))
            main(arguments, standalone_mode=False)
        except SystemExit as left:
            os._exit(int(left.code or 0))
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(70)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Zygote:
    """Runs commands of `predictflow`, each in a process of its own."""

    def __init__(self, log: Path) -> None:
        self.log = log
        with log.open("w") as errors:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._answer() == "ready", log.read_text()

    def run(self, *arguments: object, killed_at: str = "nowhere", call: int = 1) -> int:
        """The exit code of a command; minus nine where it was killed.

        It is killed at the so-manieth call of a function, `module:name` or `module:class.name`.
        """
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{killed_at} {call} {' '.join(map(str, arguments))}\n")
        self.popen.stdin.flush()
        return int(self._answer())

    def stop(self) -> None:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.close()
        self.popen.stdout.close()
        self.popen.wait(timeout=60)

    def _answer(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

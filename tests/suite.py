"""Runs the own test suite of a package and writes down how each test went.

The tests of `test_real_packages.py` call `run` in processes of their own: there from files, here from the image.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import pytest


class Record:
    """A plugin of pytest: how each test ended, and what could not be collected."""

    def __init__(self) -> None:
        self.results: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.results[report.nodeid] = report.outcome

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome != "passed":
            self.results[report.nodeid] = report.outcome


def run(folder: str, packages: list[str], answer: str) -> None:
    """Run the tests in `folder`; the answer has their results, and where the modules of `packages` came from."""
    multiprocessing.set_start_method("fork")  # else, from Python 3.14 on, a process that begins anew, without an image
    record = Record()
    pytest.main(
        [folder, "-q", "-p", "no:cacheprovider", f"--rootdir={folder}", "--import-mode=importlib"], plugins=[record]
    )
    places = {
        name: getattr(module, "__file__", None)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in packages
    }
    Path(answer).write_text(json.dumps({"results": record.results, "places": places}))

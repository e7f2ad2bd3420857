"""airbyte-cdk's standard tests of a source, driving the executable.

The suite runs sources written in Python inside its own process, through one function. Replaced, it runs
any program, and all assertions stay the suite's own.
"""

import logging
import subprocess
from pathlib import Path

from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from connector import CONNECTOR_ROOT, EXECUTABLE


def run_executable(
    source: object,
    args: list[str],
    expecting_exception: bool | None = None,
    *,
    expected_outcome: object = None,
) -> EntrypointOutput:
    """Runs the executable with the arguments that the suite meant for its own entry point."""
    command = [str(EXECUTABLE), *args]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    error = None
    if done.returncode != 0:
        error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
    return EntrypointOutput(
        messages=done.stdout.splitlines(), command=command, stderr=done.stderr, uncaught_exception=error
    )


entrypoint_wrapper._run_command = run_executable


class Executable:
    """Stands for the connector; the suite asks only whether it has this method."""

    def spec(self, logger: logging.Logger) -> None:
        """Is never called."""
        raise NotImplementedError


class TestBinary(SourceTestSuiteBase):
    """The suite's tests, but for those of an image, which test_image.py runs."""

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        return CONNECTOR_ROOT

    @classmethod
    def create_connector(cls, scenario: object) -> Executable:
        return Executable()

"""airbyte-cdk's standard tests of an image; the option `--connector-image` names it."""

from pathlib import Path

from airbyte_cdk.test.standard_tests.docker_base import DockerConnectorTestSuite

from connector import CONNECTOR_ROOT


class TestImage(DockerConnectorTestSuite):
    """The suite's tests as they are."""

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        return CONNECTOR_ROOT

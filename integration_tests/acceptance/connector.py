"""Where the connector under test is; `run.sh` sets both variables."""

import os
from pathlib import Path

# A folder with metadata.yaml, acceptance-test-config.yml and the configs that the latter names.
CONNECTOR_ROOT = Path(os.environ["CONNECTOR_ROOT"])

# The connector's executable.
EXECUTABLE = Path(os.environ["CONNECTOR_EXECUTABLE"])

"""Runs Airbyte's source-notion with a connector's arguments, against the address in the variable NOTION_URL.

Its manifest names Notion's address, the version of the API before the one that the fake Notion speaks, and databases
where that version had them. These three are replaced in what it reads of the manifest; the package stays as it is.
"""

import os
import sys
from pathlib import Path

import source_notion.run
import yaml
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource

MANIFEST = Path(source_notion.__file__).parent / "manifest.yaml"
REPLACED = {
    "https://api.notion.com": os.environ["NOTION_URL"],
    '"2022-06-28"': '"2025-09-03"',
    '"value": "database"': '"value": "data_source"',
}


def manifest(*_arguments: object) -> dict:
    """The manifest with the replacements."""
    text = MANIFEST.read_text()
    for old, new in REPLACED.items():
        if old not in text:
            sys.exit(f"the manifest has no {old}")
        text = text.replace(old, new)
    return yaml.safe_load(text)


YamlDeclarativeSource._read_and_parse_yaml_file = manifest
source_notion.run.run()

"""Loads the options and the scenarios of airbyte-cdk's standard tests."""

pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]

"""The plugin as its users meet it: suites that are run by pytest."""

"""The application that the scenarios share: copied into each scenario's own directory as its package `app`."""

"""The lock file: what each test is known to send."""

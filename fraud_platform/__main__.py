"""`python -m fraud_platform` is the `predictflow` command."""

from fraud_platform.cli import main

main()

"""Options that several commands have."""

import click

DAY = click.DateTime(formats=["%Y-%m-%d"])
POSITIVE = click.FloatRange(min=0, min_open=True)

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")

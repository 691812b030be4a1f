"""The feature page of the documentation, made from the catalogue."""

from fraud_platform.features.declarations import Feature
from fraud_platform.features.described import GROUPS, group_of, how, views_of
from fraud_platform.features.plan import Catalogue

RENEW = "predictflow features docs --out docs/features.md"
"""The command that makes the page anew."""

_INTRODUCTION = f"""\
# Features

This page is made from `fraud_platform/features/catalogue.py`: change that, not the page, and renew
it by `{RENEW}`.

- `predictflow features show NAME` says everything about one feature,
- `predictflow features sql` prints the SQL that makes them,
- `predictflow features explain TRANSACTION_ID` says where each value of a transaction came from.

## What a feature may see

Let t be the time of the transaction.

- **Payments strictly before t.** Those at the same microsecond are left out, so the order among
  them never matters.
- **Windows up to 24 h slide:** they begin exactly so many hours before t.
- **Longer windows are aligned to days in UTC.** Of a user, N d are today so far and the N - 1 full
  days before it; of a merchant they are the N full days before today, because merchants' recent
  events aren't kept online.
- **Labels count from the full hour after they were known.** A window of N d holds those known today
  before t's hour, and those known on the N - 1 days before.
- **Past payments are seen as they were then.** "Payments over 2.5 times the user's mean" takes the
  mean that each payment itself was compared with.
- **Levels.** 0 is a figure of the transaction itself; 1 is made from past payments or labels; 2
  looks back on features of past payments. There is no third.
- **Exact figures.** Money is whole cents inside, and everything that is summed is an integer,
  divided once at the end: the lake and the service give the same bits. Here amounts are in the
  currency.
- **Missing values** are null in the lake and NaN in the model's input; XGBoost learns which way
  they go. A count or a sum of nothing is 0. Where a feature can be missing, its declaration says
  when, and a day that breaks this isn't written.

The service reads four kinds of views: `user_recent` (the payments of the last 72 h), `user_daily`
and `merchant_daily` (sums by day), and `merchant_labels` or `user_labels` (sums over labels by day,
complete up to an hour).
"""

_ADDING = """\
## Adding a feature

1. Add one declaration to the catalogue, where the feature shall stand in the model's input:

   ```python
   WindowAggregate(
       name="user_min_amount_14d",
       key="user_id",
       aggregate="min",
       column="amount",
       window="14d",
       unit="currency",
       meaning="Smallest amount of the user in the last 14 days.",
       missing="no transaction of the user in the last 14 days",
   )
   ```

   The SQL, the online computation, the views, the tables with their checks, and the model's input
   follow from it. What can't be declared is refused with the mend when the catalogue is imported.
2. Renew this page: `{renew}`.
3. Make the tables of the days that training reads, and of those that they look back on, again:

   ```
   predictflow materialize --from FIRST --to LAST \\
     --select daily_tiles,transaction_habits,label_tiles,transaction_features
   ```

   Where one is missing, `transaction_features` says which days of which table. Then write the
   online state with `--select online_features`; `online_labels` runs every hour.
4. Train a model on it: `predictflow materialize --from LAST --to LAST --select fraud_model+`. The
   service takes only models of the catalogue that it runs with, so bring out its new version
   together with the new model; the former version goes on with the former model until then.
"""


def feature_page(catalogue: Catalogue) -> str:
    """The page in Markdown."""
    groups = {
        group: [feature for feature in catalogue if group_of(catalogue, feature) == group]
        for group in GROUPS
    }
    parts = [_INTRODUCTION, _overview(catalogue, groups)]
    parts += [_section(catalogue, group, found) for group, found in groups.items() if found]
    return "\n".join([*parts, _ADDING.format(renew=RENEW)])


def _overview(catalogue: Catalogue, groups: dict[str, list[Feature]]) -> str:
    rows = [
        f"| [{group}](#{_anchor(group)}) | {', '.join(f'`{f.name}`' for f in found)} |"
        for group, found in groups.items()
        if found
    ]
    head = ["| group | features |", "| --- | --- |"]
    return "\n".join([f"## The {len(catalogue.names)} features\n", *head, *rows]) + "\n"


def _anchor(heading: str) -> str:
    """GitHub's anchor of a heading."""
    return heading.lower().replace("'", "").replace(" ", "-")


def _section(catalogue: Catalogue, group: str, found: list[Feature]) -> str:
    head = (
        f"### {group}\n\n{GROUPS[group]}\n\n"
        "| feature | meaning | unit | missing | computed as | level | online views |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "".join(_row(catalogue, feature) for feature in found)


def _row(catalogue: Catalogue, feature: Feature) -> str:
    views = ", ".join(f"`{name}`" for name in views_of(catalogue, feature)) or "none"
    cells = (
        f"`{feature.name}`",
        feature.meaning,
        feature.unit,
        feature.missing,
        how(feature),
        str(catalogue.level(feature.name)),
        views,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

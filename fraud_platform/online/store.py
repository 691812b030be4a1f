"""What a writer or batch reader of the online store works with, whichever store is set."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, Self

from fraud_platform.features.state import VIEWS, State, View
from fraud_platform.settings import Settings

Progress = Callable[[int, int], object]
"""Called after each batch with the rows written and the rows in all."""


class OnlineStore(Protocol):
    """The rows of the online views by entity id; one writer a view.

    Every method raises UnavailableError where the store cannot be reached or used just now, and
    PredictFlowError for a fault that stays; the texts name where it is, never a password.
    """

    def write(
        self,
        view: View,
        rows: Mapping[str, State],
        as_of: datetime,
        progress: Progress | None = None,
        *,
        whole: bool = True,
    ) -> None:
        """Writes the states of a view, by entity id, as they stand at `as_of` (with a time zone).

        They replace the rows of the same ids and leave the others. A `whole` write brings every
        row that readers need: once all of it is written, the view counts as written. Others are
        changes to a view that was. Writing again after a failure is harmless. Raises ValueError for
        a state that is not the view's and for an `as_of` without a zone, before anything is written
        but for a value of another kind.
        """
        ...

    def read(self, views: Sequence[View], ids: Sequence[str]) -> list[dict[str, State]]:
        """The states of entities by view name; the views are all of one entity.

        An absent row reads as the view's `empty`. Raises ValueError for a half-written row.
        """
        ...

    def contexts(
        self, user_ids: Sequence[str], merchant_ids: Sequence[str]
    ) -> list[dict[str, State]]:
        """What each request needs: the states of its user and its merchant by view name, as `read`.

        The two sequences have one place for each request.
        """
        ...

    def written_as_of(self, view: View) -> datetime | None:
        """The `as_of` of the last whole write with rows; None where the store was lost since."""
        ...

    def mark_read(self, partitions: int, until_us: Mapping[int, int]) -> None:
        """Notes up to when some of the stream's `partitions` were read, in microseconds UTC.

        Raises UnavailableError too where nothing was ever written to the store.
        """
        ...

    def read_until_us(self) -> int | None:
        """Up to when the whole stream was read, in microseconds UTC; None where none was."""
        ...

    def evicts(self) -> str | None:
        """The policy by which the store drops rows when it is full; None where it refuses writes.

        A dropped row reads as an id never seen, so no policy will do but to refuse.
        """
        ...

    def close(self) -> None:
        """Gives connections back."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_store(settings: Settings, views: Sequence[View] = VIEWS) -> OnlineStore:
    """The online store of these settings, to be used as a context manager or closed.

    Nothing is connected to yet. `views` are those that `contexts` reads.
    """
    if settings.online.store == "redis":
        # The sqlite store has no use for Redis' client, which takes 0.3 s to import.
        from fraud_platform.online.redis_store import RedisStore  # noqa: PLC0415

        return RedisStore(settings.online, views)
    from fraud_platform.online.sqlite_store import SqliteStore  # noqa: PLC0415

    return SqliteStore(settings.online_store, views)


def by_entity(views: Sequence[View]) -> tuple[tuple[View, ...], tuple[View, ...]]:
    """The views of users and those of merchants."""
    users = tuple(view for view in views if view.entity == "user")
    return users, tuple(view for view in views if view.entity == "merchant")


def check_one_entity(views: Sequence[View]) -> None:
    """Raises ValueError where views of users and of merchants are asked for by the same ids."""
    if len({view.entity for view in views}) > 1:
        names = ", ".join(f"{view.name} ({view.entity})" for view in views)
        raise ValueError(f"views {names} are not of one entity; read them apart, or as contexts")

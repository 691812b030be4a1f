"""The online store: rows of the online views in Feast's own format, written and read without Feast.

Feast takes seconds to import and brings pandas; what is written here is what Feast reads, and the
other way round.
"""

from fraud_platform.online.store import OnlineStore, Progress, open_store

__all__ = ["OnlineStore", "Progress", "open_store"]

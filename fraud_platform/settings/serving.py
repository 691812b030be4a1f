"""Where the service listens, who may ask it, and what it keeps of its decisions."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from fraud_platform.settings.base import NotNegative, Positive, Secret, Section

Port = Annotated[int, Meta(ge=0, le=65535)]
Over0 = Annotated[float, Meta(gt=0)]


class Serving(Section, frozen=True):
    """The prediction service. Without API keys it listens on this machine's loopback alone."""

    host: str = "127.0.0.1"
    port: Port = 8080
    """0 takes a free port."""
    admin_host: str = "127.0.0.1"
    admin_port: Port | None = None
    """Port that alone answers what is for the scope `admin` (/metrics); by default `port` does."""
    workers: Positive = 1
    """Processes that answer."""
    drain_seconds: Over0 = 5.0
    """How long a worker that was told to end answers what still comes over its connections."""
    poll_seconds: Over0 = 1.0
    """How often the service looks for a new bundle, and at least each second for keys."""
    bundles_url: str = ""
    """`s3://bucket/prefix` where the live model is published, and services fetch it from; by
    default they find it in data_dir. Credentials and AWS_ENDPOINT_URL as AWS's tools have them."""
    feature_deadline_ms: Positive = 20
    """How long a request waits for the online store before it is answered without it."""
    batch_deadline_ms: Positive = 500
    """The same for all of a batch."""

    repeat_seconds: NotNegative = 600
    """How long a request that comes again is given the answer it had; 0 judges it anew."""
    repeat_slots: Positive = 65_536
    """How many answers are kept for that, by all workers together."""
    decision_log: Literal["off", "best_effort", "required"] = "best_effort"
    """Whether decisions are logged. With `required` an answer waits until its row is durable, and
    is refused where it can't be."""
    pass_share: Annotated[float, Meta(ge=0, lt=0.5)] = 0.0
    """Share of would-be blocks that are let pass at random, so that evaluation isn't blind to what
    is blocked; 0 lets none pass."""
    pass_amount_max: Over0 | None = None
    """A larger payment is never let pass; figures are then of payments up to it."""
    pass_key: Secret = Secret()
    """Key of the draws, from the environment alone; 32 characters at least, needed where a share
    is let pass, the same for all machines, and kept."""

    keys_file: Path | None = None
    """Where API keys are, hashed; by default `keys.json` in data_dir."""
    rate_per_second: Annotated[float, Meta(ge=0.001, le=1e6)] = 1000.0
    """Transactions a second that a key may ask about for long, where it has no rate of its own."""
    rate_burst: Positive = 2000
    """How many it may ask about at once after a rest."""
    trusted_proxies: str = ""
    """Networks (CIDR, with commas) whose X-Forwarded-For is believed; by default nobody's is."""

    access_log: Literal["errors", "all"] = "errors"
    """Which requests have a line in the log; `errors` are those answered with 400 and over."""
    log_hash_key: Secret = Secret()
    """Key of the hashes that stand for users in the log; by default another one at each start."""
    traces_endpoint: str = ""
    """Where OpenTelemetry's traces are sent (OTLP over HTTP); by default there are none."""

    @property
    def pass_limit_cents(self) -> int | None:
        """`pass_amount_max` in cents."""
        return None if self.pass_amount_max is None else round(self.pass_amount_max * 100)

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`trusted_proxies` taken apart; raises ValueError for what is no network."""
        given = (part.strip() for part in self.trusted_proxies.split(","))
        return tuple(ip_network(part) for part in given if part)

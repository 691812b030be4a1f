"""Every setting with its default and its meaning. Defaults need no server."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from fraud_platform.settings.alerts import Alerts
from fraud_platform.settings.base import NotNegative, Positive, Secret, Section
from fraud_platform.settings.datadog import Datadog
from fraud_platform.settings.monitoring import Drift, Exporter, QualityFloors
from fraud_platform.settings.retrain import Retrain
from fraud_platform.settings.serving import Serving
from fraud_platform.settings.training import Gate, Training


class Source(Section, frozen=True):
    """How files in the inbox name their columns."""

    map: str = ""
    """`field=column` pairs with commas between them, for columns that have other names."""


class Kafka(Section, frozen=True):
    """The cluster that transactions and labels come from, and how to talk to it."""

    brokers: str = ""
    """`host:port` of some brokers, with commas between them; without any there is no Kafka."""
    group: str = "predictflow"
    """Consumer group that followers share the partitions in."""
    transactions_topic: str = "transactions"
    labels_topic: str = "labels"
    predictions_topic: str = "predictions"
    """Where the service's decisions go, and are landed from."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_cafile: Path | None = None
    """Certificates (PEM) that the brokers' are checked against; by default the system's."""
    ssl_certfile: Path | None = None
    """The client's own certificate (PEM), where the brokers ask for one."""
    ssl_keyfile: Path | None = None
    ssl_key_password: Secret = Secret()
    sasl_mechanism: Literal[
        "", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"
    ] = ""
    sasl_username: str = ""
    """User, or with OAUTHBEARER the client's id."""
    sasl_password: Secret = Secret()
    """Password, or with OAUTHBEARER the client's secret."""
    oauth_token_url: str = ""
    """With OAUTHBEARER: where tokens are had (OAuth 2.0 client credentials)."""
    oauth_scope: str = ""


class Ingest(Section, frozen=True):
    """How records of Kafka become rows."""

    batch_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 100_000
    """A commit is made at so many records, or so many MiB of them, or after so many seconds."""
    batch_mib: Annotated[int, Meta(ge=1, le=1024)] = 64
    batch_seconds: Annotated[float, Meta(gt=0)] = 1.0
    late_days: NotNegative = 7
    """A made day is made again for records landed up to so many days after it; not for later."""
    late_on: bool = False
    """Whether Dagster's sensor that asks for that runs from the start; in its pages it can be
    switched on and off whatever this says."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Meta(ge=0, le=65535)] = 9108
    """Where a follower shows Prometheus its figures; 0 takes a free port."""


class Stream(Section, frozen=True):
    """How `predictflow stream` keeps users' recent events in the online store."""

    group: str = "predictflow-stream"
    """Consumer group that the workers share the partitions in; not the ingesters'."""
    batch_records: Annotated[int, Meta(ge=1, le=100_000)] = 2_000
    """Most records that are read, computed and written at once."""
    linger_ms: Annotated[int, Meta(ge=0, le=10_000)] = 50
    """How long the broker waits for more records before it hands over a few."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Meta(ge=0, le=65535)] = 9109
    """Where a worker shows Prometheus its figures; 0 takes a free port."""


class Maintenance(Section, frozen=True):
    """How the hourly `table_maintenance` keeps the lake's tables fast and small."""

    small_files: Positive = 8
    """A partition with more files than this below target_mib has them made into one."""
    target_mib: Annotated[int, Meta(ge=1, le=4096)] = 128
    retention_days: Positive = 7
    """How long files that a table no longer refers to are kept for who reads an older version.
    What a training run or a bundle recorded is kept for good."""
    landed_retention_hours: Positive = 24
    """The same for landed_events, and for its log: a follower makes a commit a second, and each
    removed file stands in every checkpoint for so long."""


class Quality(Section, frozen=True):
    """What a day of transactions is expected to look like."""

    mean_amount_min: float = 50.0
    """Lowest expected mean amount of a day, in currency units."""
    mean_amount_max: float = 500.0
    """Highest expected mean amount of a day, in currency units."""
    mean_amount_blocks: bool = False
    """Whether a mean outside the bounds stops the day instead of warning."""


class Labels(Section, frozen=True):
    """How labels arrive."""

    maturity_days: NotNegative = 7
    """Days after a transaction from which its label counts as final."""
    lookback_days: Positive = 60
    """How many days back a label's transaction is looked for."""


class Online(Section, frozen=True):
    """Where the online store and Feast's registry are."""

    store: Literal["sqlite", "redis"] = "sqlite"
    """`sqlite` is a file in data_dir, for one machine; `redis` is Redis or Valkey."""
    redis_url: Secret = Secret()
    """`redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS. Its memory policy
    has to be `noeviction`: rows that leave unasked make users unknown."""
    redis_ttl_days: Annotated[int, Meta(ge=1, le=3650)] = 40
    """Days after its last write that an entity leaves Redis; more than features look back."""
    recent_by: Literal["online_features", "stream", "serving"] = "online_features"
    """Who writes users' recent events: the daily asset, workers of `predictflow stream`, or beside
    the asset the service itself, which then records what it scored (SQLite only)."""
    stale_seconds: NotNegative = 60
    """With recent_by = "stream": how long ago its workers may have read the topic's end last,
    before answers are flagged as degraded; 0 flags none."""
    registry_url: Secret = Secret()
    """SQLAlchemy URL of Feast's registry, where several machines write; else a file in data_dir."""


class Settings(Section, frozen=True):
    """Everything that can be set. Defaults need no server."""

    data_dir: Path = Path(".predictflow")
    """Where everything made is kept: lake, bundles, tracking, online store, Dagster's history."""
    dagster_dir: Path | None = None
    """Where Dagster keeps its history; by default `dagster` in data_dir. dagster.yaml reads it."""
    first_day: date | None = None
    """The first daily partition (UTC); by default the earliest day that was landed."""
    retry_delay_seconds: Positive = 300
    """How long a failed step waits before each of its two retries."""
    operator: str = ""
    """Who promotes and rolls back by hand, for the log of promotions; by default the OS user."""
    git_commit: str = ""
    """The commit that models are trained with; by default what git says of the source."""
    dagster_url: str = ""
    """Where Dagster's pages are, as http://127.0.0.1:3000, for links of MLflow and of alerts."""
    mlflow_url: str = ""
    """Where MLflow's pages are, as http://127.0.0.1:5000, for Dagster's links to them."""
    source: Source = Source()
    kafka: Kafka = Kafka()
    ingest: Ingest = Ingest()
    stream: Stream = Stream()
    maintenance: Maintenance = Maintenance()
    quality: Quality = Quality()
    labels: Labels = Labels()
    training: Training = Training()
    gate: Gate = Gate()
    drift: Drift = Drift()
    retrain: Retrain = Retrain()
    quality_floors: QualityFloors = QualityFloors()
    online: Online = Online()
    serving: Serving = Serving()
    alerts: Alerts = Alerts()
    exporter: Exporter = Exporter()
    datadog: Datadog = Datadog()

    @property
    def lake_dir(self) -> Path:
        return self.data_dir / "lake"

    @property
    def inbox_dir(self) -> Path:
        """Files put here are landed by the asset `landed_events`."""
        return self.data_dir / "inbox"

    @property
    def decisions_dir(self) -> Path:
        """The service's decisions in files, which the asset `landed_events` lands."""
        return self.data_dir / "decisions"

    @property
    def scratch_dir(self) -> Path:
        """What is needed only while a process works, like the matrices of a training."""
        return self.data_dir / "scratch"

    @property
    def bundles_dir(self) -> Path:
        return self.data_dir / "bundles"

    @property
    def drift_dir(self) -> Path:
        """The drift reports of the days."""
        return self.data_dir / "reports" / "drift"

    @property
    def quality_dir(self) -> Path:
        """The quality of the days' decisions, and the parity of their vectors."""
        return self.data_dir / "reports" / "quality"

    @property
    def gate_file(self) -> Path:
        """What the gate said last, of whichever model."""
        return self.data_dir / "reports" / "gate.json"

    @property
    def figures_file(self) -> Path:
        """The platform's figures as they were gathered last."""
        return self.data_dir / "reports" / "figures.json"

    @property
    def keys_file(self) -> Path:
        """The API keys, hashed."""
        return self.serving.keys_file or self.data_dir / "keys.json"

    @property
    def alerts_dir(self) -> Path:
        """Which alerts were sent, and those that wait for their target."""
        return self.data_dir / "alerts"

    @property
    def online_store(self) -> Path:
        return self.data_dir / "feast" / "online_store.db"

    @property
    def feast_registry(self) -> Path:
        return self.data_dir / "feast" / "registry.db"

    @property
    def mlflow_uri(self) -> str:
        return f"sqlite:///{self.tracking_db}"

    @property
    def tracking_db(self) -> Path:
        return self.data_dir / "mlflow.db"

    @property
    def tuning_db(self) -> Path:
        """Optuna's studies."""
        return self.data_dir / "tuning.db"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.data_dir / "mlartifacts"

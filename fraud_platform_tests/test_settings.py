"""A wrong setting is one clear error that names it and where it was set."""

from datetime import date
from pathlib import Path

import pytest

from fraud_platform.settings import Settings, SettingsError, load_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "predictflow.toml"


def refusal(environ: dict[str, str], config: Path | None = None) -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ, config)
    return str(refused.value)


def test_nothing_needs_to_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings({})
    assert settings.data_dir == tmp_path / ".predictflow"
    assert settings.dagster_dir == tmp_path / ".predictflow" / "dagster"
    assert settings.training.trees == Settings().training.trees


def test_the_environment_wins_over_the_file(config: Path):
    config.write_text('first_day = 2026-03-01\n[training]\ntrees = 7\ndepth = 5\nseed = "3"\n')
    settings = load_settings({"PREDICTFLOW_TRAINING_TREES": "9"}, config)
    training = settings.training
    assert (training.trees, training.depth, training.seed) == (9, 5, 3)
    assert settings.first_day == date(2026, 3, 1)


def test_the_file_is_named_or_found_in_the_working_directory(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    config.write_text("[training]\ntrees = 7\n")
    named = load_settings({"PREDICTFLOW_CONFIG": str(config)})
    assert load_settings({}) == named == load_settings({}, config)
    assert named.training.trees == 7


def test_a_named_file_that_is_missing_or_no_toml(config: Path):
    for environ, path in (({}, config), ({"PREDICTFLOW_CONFIG": str(config)}, None)):
        assert f"settings file {config} does not exist" in refusal(environ, path)
    for content in (b"[training", b"trees = \xff", b"a = 1\na = 2\n"):
        config.write_bytes(content)
        assert str(config) in refusal({}, config)
    assert str(config.parent) in refusal({}, config.parent)


def test_an_unknown_variable_is_named_with_those_that_there_are():
    said = refusal({"PREDICTFLOW_TRAINING_TREE": "9"})
    assert "environment variable PREDICTFLOW_TRAINING_TREE is not a setting" in said
    assert "PREDICTFLOW_TRAINING_TREES" in said
    load_settings({"PREDICTFLOW_TEST_WHATEVER": "1", "OTHER": "2"})


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("[training]\ntree = 9", "setting training ", "`tree`"),
        ("trees = 9", "setting at the top ", "`trees`"),
        ("[training]\ntrees = [1]", "setting training.trees ", "Expected `int`, got `array`"),
        ("training = 3", "setting training ", "Expected `object`, got `int`"),
        ('data_dir = ""', "setting data_dir ", "expected a path, got ''"),
        ("data_dir = 7", "setting data_dir ", "7"),
        ("[quality]\nmean_amount_max = 1e", "settings file", ""),
    ],
)
def test_a_wrong_value_of_the_file_names_setting_and_file(
    config: Path, content: str, name: str, said: str
):
    config.write_text(content)
    text = refusal({}, config)
    assert text.startswith(name)
    assert str(config) in text
    assert said in text


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TRAINING_TREES", "many", "Expected `int`"),
        ("TRAINING_TREES", "0", ">= 1"),
        ("TRAINING_TREES", "1.5", "Expected `int`"),
        ("TRAINING_LEARNING_RATE", "1.5", "<= 1"),
        ("QUALITY_MEAN_AMOUNT_MAX", "nan", "a finite number"),
        ("TRAINING_FALSE_ALARM_COST", "inf", "a finite number"),
        ("QUALITY_MEAN_AMOUNT_BLOCKS", "perhaps", "Expected `bool`"),
        ("FIRST_DAY", "yesterday", "date"),
        ("SERVING_PORT", "70000", "<= 65535"),
        ("SERVING_PASS_SHARE", "0.5", "< 0.5"),
        ("SERVING_PASS_SHARE", "-0.01", ">= 0"),
        ("SERVING_PASS_AMOUNT_MAX", "0", "> 0"),
        ("DATA_DIR", "", "expected a path"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(variable: str, value: str, said: str):
    text = refusal({f"PREDICTFLOW_{variable}": value})
    section, _, name = variable.lower().partition("_")
    dotted = (
        f"{section}.{name}" if section in ("training", "quality", "serving") else variable.lower()
    )
    assert text.startswith(
        f"setting {dotted} (environment variable PREDICTFLOW_{variable}={value!r}): "
    )
    assert said in text


def test_a_variable_below_what_the_file_makes_no_table(config: Path):
    config.write_text("training = 3")
    text = refusal({"PREDICTFLOW_TRAINING_TREES": "9"}, config)
    assert f"setting training ({config}): 3 is not a table" in text


def test_settings_that_contradict_each_other():
    assert "leaves no day to fit on" in refusal({"PREDICTFLOW_TRAINING_WINDOW_DAYS": "10"})
    assert "mean_amount_min: 900.0 is over" in refusal(
        {"PREDICTFLOW_QUALITY_MEAN_AMOUNT_MIN": "900"}
    )


def test_a_key_of_the_draws_that_could_be_guessed_is_refused_and_not_shown(config: Path):
    config.write_text("[serving]\npass_share = 0.01\npass_amount_max = 199.99\n")
    key = {"PREDICTFLOW_SERVING_PASS_KEY": "hunter2" * 5}
    settings = load_settings(key, config)
    assert settings.serving.pass_limit_cents == 19_999
    assert load_settings({}, config).serving.pass_share == 0.01  # who trains needs no key
    text = refusal({"PREDICTFLOW_SERVING_PASS_KEY": "hunter2"}, config)
    assert "serving.pass_key: 7 characters can be guessed" in text
    assert "32 or more" in text
    assert "hunter2" not in text


def test_a_secret_comes_from_the_environment_and_is_shown_to_nobody(config: Path):
    config.write_text(
        '[kafka]\nsecurity_protocol = "SASL_SSL"\nsasl_mechanism = "PLAIN"\nsasl_username = "u"\n'
    )
    settings = load_settings({"PREDICTFLOW_KAFKA_SASL_PASSWORD": "hunter2"}, config)
    assert settings.kafka.sasl_password.reveal() == "hunter2"
    assert "hunter2" not in f"{settings} {settings.kafka.sasl_password}"
    config.write_text('[kafka]\nsasl_password = "hunter2"\n')
    said = refusal({}, config)
    assert "kafka.sasl_password" in said
    assert "PREDICTFLOW_KAFKA_SASL_PASSWORD" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"BROKERS": "localhost"}, "kafka.brokers: 'localhost'"),
        ({"SASL_MECHANISM": "PLAIN"}, "kafka.sasl_mechanism: PLAIN does not fit"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "kafka.sasl_mechanism: none does not fit"),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "SCRAM-SHA-256"},
            "kafka.sasl_username: SCRAM-SHA-256 needs one",
        ),
        (
            {
                "SECURITY_PROTOCOL": "SASL_SSL",
                "SASL_MECHANISM": "OAUTHBEARER",
                "SASL_USERNAME": "client",
                "SASL_PASSWORD": "hunter2",
            },
            "kafka.oauth_token_url: OAUTHBEARER needs one",
        ),
        (
            {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", "SASL_MECHANISM": "AWS_MSK_IAM"},
            "AWS_MSK_IAM needs SASL_SSL",
        ),
        ({"LABELS_TOPIC": "transactions"}, "kafka.labels_topic"),
        (
            {"PREDICTIONS_TOPIC": "labels"},
            "kafka.predictions_topic: 'labels' is kafka.labels_topic",
        ),
    ],
)
def test_settings_of_kafka_that_do_not_go_together_are_refused(environ: dict[str, str], names: str):
    said = refusal({f"PREDICTFLOW_KAFKA_{name}": value for name, value in environ.items()})
    assert names in said
    assert "hunter2" not in said


def test_the_online_store_is_a_file_until_redis_is_set():
    assert load_settings({}).online.store == "sqlite"
    url = "rediss://me:hunter2@redis.example:7000/2?socket_timeout=3"
    settings = load_settings(
        {"PREDICTFLOW_ONLINE_STORE": "redis", "PREDICTFLOW_ONLINE_REDIS_URL": url}
    )
    assert settings.online.redis_url.reveal() == url
    assert settings.online.redis_ttl_days == 40
    assert "hunter2" not in f"{settings}"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"STORE": "redis"}, "online.redis_url: not set while online.store is redis"),
        ({"REDIS_URL": "redis://:hunter2@h"}, "online.redis_url: set while online.store is sqlite"),
        (
            {"STORE": "redis", "REDIS_URL": "hunter2"},
            "redis_url: no URL of a Redis server; expected",
        ),
        (
            {"STORE": "redis", "REDIS_URL": "http://:hunter2@h"},
            "redis_url: no URL of a Redis server",
        ),
        (
            {"STORE": "redis", "REDIS_URL": "redis://:hunter2@"},
            "redis_url: no URL of a Redis server",
        ),
        (
            {"STORE": "redis", "REDIS_URL": "redis://h:hunter2"},
            "online.redis_url: no URL; expected",
        ),
        (
            {"STORE": "redis", "REDIS_URL": "redis://:hunter2@[h"},
            "online.redis_url: no URL; expected",
        ),
        ({"STORE": "redis", "REDIS_URL": "redis://:hunter2@h/x"}, "its database is no number"),
        (
            {"STORE": "redis", "REDIS_URL": "redis://:hunter2@h?timeout=3"},
            "option 'timeout' is not known; known: socket_timeout",
        ),
        ({"REDIS_TTL_DAYS": "0"}, ">= 1"),
        ({"REGISTRY_URL": "hunter2@host"}, "online.registry_url: no SQLAlchemy URL; expected"),
    ],
)
def test_an_online_store_that_cannot_be_is_refused_without_its_password(
    environ: dict[str, str], said: str
):
    text = refusal({f"PREDICTFLOW_ONLINE_{name}": value for name, value in environ.items()})
    assert said in text
    assert "hunter2" not in text


def test_the_urls_of_the_online_store_come_from_the_environment_alone(config: Path):
    for name in ("redis_url", "registry_url"):
        config.write_text(f'[online]\n{name} = "redis://:hunter2@h"\n')
        said = refusal({}, config)
        assert f"PREDICTFLOW_ONLINE_{name.upper()}" in said
        assert "hunter2" not in said


@pytest.mark.parametrize("pairs", ["amount", "amount=much", "amount=0", "amount=-1", "amount=nan"])
def test_tolerances_of_drift_are_pairs_with_numbers(pairs: str):
    said = refusal({"PREDICTFLOW_DRIFT_TOLERANCES": f"score=2, {pairs}"})
    assert f"setting drift.tolerances: '{pairs}'" in said
    assert "expected amount=2,score=3" in said
    settings = load_settings({"PREDICTFLOW_DRIFT_TOLERANCES": "score=2, amount=0.5,"})
    assert settings.drift.times == {"score": 2.0, "amount": 0.5}

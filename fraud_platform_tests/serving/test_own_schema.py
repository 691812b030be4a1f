"""The running service asked by its own OpenAPI document, with API keys."""

from collections.abc import Callable

from benchmarks.serving_fuzz import fuzz
from fraud_platform.keys import create_key
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Deploy
from fraud_platform_tests.serving.process import Process


def test_answers_to_generated_requests_are_as_documented(
    run: Callable[[Settings], Process], settings: Settings, deploy: Deploy
) -> None:
    deploy(settings)
    _, key = create_key(settings.keys_file, "fuzz", ("admin",), rate=1e6)
    process = run(settings)

    url = f"http://127.0.0.1:{process.port}"
    figures, failures = fuzz(url, key, 400, seed=0, most_examples=60)

    assert failures == []
    assert figures["server_errors"] == 0
    assert figures["requests"] >= 400
    taken, refused = (figures["by_status"].get(status, 0) for status in ("200", "400"))
    assert min(taken, refused) > 50  # good data and wrong data were both there

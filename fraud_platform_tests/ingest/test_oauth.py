"""Tokens are had once, renewed before they expire, and a server's refusal is told."""

import time

import pytest

from fraud_platform.errors import PredictFlowError, UnavailableError
from fraud_platform.ingest.oauth import TokenProvider
from fraud_platform.local_kafka import free_port
from fraud_platform.settings import Kafka, Secret
from fraud_platform_tests.ingest.token_server import TokenServer

SECRET = "p:ss w%rd&"


def provider(url: str, scope: str = "") -> TokenProvider:
    return TokenProvider(
        Kafka(
            oauth_token_url=url,
            oauth_scope=scope,
            sasl_username="the client",
            sasl_password=Secret(SECRET),
        )
    )


def test_a_token_is_asked_for_with_client_credentials_and_then_kept():
    with TokenServer(lambda: {"access_token": "t1", "expires_in": 60}, SECRET) as server:
        tokens = provider(server.url, "kafka read")
        assert [tokens.token(), tokens.token()] == ["t1", "t1"]
    (asked,) = server.requests
    assert asked == {
        "grant_type": "client_credentials",
        "scope": "kafka read",
        "user": "the client",
    }


def test_a_token_is_renewed_before_it_expires():
    with TokenServer(
        lambda: {"access_token": f"t{len(server.requests)}", "expires_in": 1}
    ) as server:
        tokens = provider(server.url)
        assert [tokens.token(), tokens.token()] == ["t1", "t1"]
        time.sleep(0.85)
        assert tokens.token() == "t2"
    assert "scope" not in server.requests[0]


def fault(tokens: TokenProvider) -> PredictFlowError:
    with pytest.raises(PredictFlowError) as caught:
        tokens.token()
    assert SECRET not in str(caught.value)
    return caught.value


def test_a_refusal_is_lasting_and_a_fault_of_the_server_is_not():
    with TokenServer(dict, password="another") as server:
        refused = fault(provider(server.url))
    assert "401 invalid_client; check settings" in str(refused)
    assert not isinstance(refused, UnavailableError)
    with TokenServer(dict, status=503) as server:
        failed = fault(provider(server.url))
    away = fault(provider(f"http://127.0.0.1:{free_port()}/token"))
    for error, says in ((failed, "answers 503"), (away, "can't be reached: ")):
        assert says in str(error)
        assert isinstance(error, UnavailableError)


def test_an_answer_that_is_no_token_is_told():
    with TokenServer(lambda: {"token": "misnamed"}) as server:
        error = fault(provider(server.url))
    assert "no OAuth 2.0 token: " in str(error)
    assert "`access_token`" in str(error)


def test_the_secret_goes_nowhere_else():
    with TokenServer(dict, status=302) as server:
        assert "302" in str(fault(provider(server.url)))
    assert len(server.requests) == 1
    with pytest.raises(PredictFlowError, match=r"kafka.oauth_token_url: .* not an https:// addr"):
        provider("http://login.example.com/token")

"""The OpenAPI document: complete, and true of what the service does."""

from typing import Any

import jsonschema_rs
import pytest
from litestar.routes import HTTPRoute

from fraud_platform.keys import create_key
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Client, Start
from serving.openapi.document import document
from serving.problems import MEDIA_TYPE

DOCUMENT = document()
OPERATIONS = {
    (path, method): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
ANSWERS = {
    (path, method, status): answer
    for (path, method), operation in OPERATIONS.items()
    for status, answer in operation["responses"].items()
}


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Checks against a schema of the document, formats too."""
    whole = schema | {"components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def test_every_operation_of_the_service_is_documented_and_no_other(client: Client) -> None:
    served = {
        (route.path, method.lower())
        for route in client.app.routes
        if isinstance(route, HTTPRoute) and not route.path.startswith("/schema")
        for method in route.methods
    }

    assert {one for one in served if one[1] not in ("options", "head")} == set(OPERATIONS)
    assert client.get("/schema/openapi.json").json() == DOCUMENT


@pytest.mark.parametrize("place", ANSWERS, ids=" ".join)
def test_every_example_of_an_answer_is_what_its_schema_says(place: tuple[str, str, str]) -> None:
    for media_type, content in ANSWERS[place]["content"].items():
        for example in content.get("examples", {}).values():
            validator(content["schema"]).validate(example["value"])
            if media_type == MEDIA_TYPE:
                assert example["value"]["status"] == int(place[2])


@pytest.mark.parametrize("place", OPERATIONS, ids=" ".join)
def test_every_example_of_a_request_is_answered_as_documented(
    client: Client, place: tuple[str, str]
) -> None:
    path, method = place
    operation = OPERATIONS[place]
    given = {
        place: {
            one["name"]: one["example"] for one in operation["parameters"] if one["in"] == place
        }
        for place in ("query", "header")
    }
    body = operation.get("requestBody", {"content": {"application/json": {"examples": {"": None}}}})
    media_type, content = next(iter(body["content"].items()))
    for example in content["examples"].values():
        sent = example and example["value"]
        if sent:
            validator(content["schema"]).validate(sent)
        headers = given["header"] | ({"content-type": media_type} if sent else {})
        answer = client.request(method, path, params=given["query"], json=sent, headers=headers)

        assert answer.status_code == 200, answer.text
        documented = operation["responses"]["200"]["content"]
        assert answer.headers["content-type"].partition(";")[0] in documented
        if "application/json" in documented:
            schema = documented["application/json"]["schema"]
            validator(schema).validate(answer.json())


def test_the_refusals_shown_are_those_that_are_given(client: Client) -> None:
    good = OPERATIONS["/predict", "post"]["requestBody"]["content"]["application/json"]["examples"][
        "transaction"
    ]["value"]
    text = {"content-type": "text/plain"}

    given = {
        ("/predict", "amount"): client.post("/predict", json=good | {"amount": -1}),
        ("/predict", "reasons"): client.post("/predict?reasons=11", json=good),
        ("/predict", "too_large"): client.post("/predict", content=b" " * 70_000),
        ("/predict", "not_json"): client.post("/predict", content="x", headers=text),
        ("/predict/batch", "batch"): client.post("/predict/batch", json=[]),
        ("/predict/batch", "too_large"): client.post("/predict/batch", content=b" " * 600_000),
    }

    for (path, name), answer in given.items():
        shown = ANSWERS[path, "post", str(answer.status_code)]["content"][MEDIA_TYPE]["examples"]
        assert answer.json() == shown[name]["value"]


def test_the_refusals_of_keys_shown_are_those_that_are_given(
    settings: Settings, start: Start
) -> None:
    _, reader = create_key(settings.keys_file, "reader", ("model:read",), rate=0.01)
    with start(settings) as client:
        given = {"missing": client.get("/metrics")}
        while "rate" not in given:
            answer = client.get("/metrics", headers={"x-api-key": reader})
            given["scope" if answer.status_code == 403 else "rate"] = answer

    for name, answer in given.items():
        documented = ANSWERS["/metrics", "get", str(answer.status_code)]
        shown = documented["content"][MEDIA_TYPE]["examples"][name]["value"]
        problem = answer.json()
        if name == "rate":  # its detail has the key's own
            problem["detail"] = shown["detail"]
            assert int(answer.headers["retry-after"]) > 0
        assert problem == shown
        unlisted = {*answer.headers} - {one.lower() for one in documented["headers"]}
        assert not {"www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"} & unlisted


def test_every_operation_says_which_scope_it_asks_for() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    for place, operation in OPERATIONS.items():
        scopes = {s for one in operation["security"] for needed in one.values() for s in needed}
        assert all(set(one) <= set(schemes) for one in operation["security"])
        assert bool(scopes) == (not place[0].startswith("/health")), place

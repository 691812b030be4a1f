"""The answers that an operation can give, in the words of OpenAPI."""

from http import HTTPStatus
from typing import Any

import msgspec

from serving.problems import BATCH_BODY_LIMIT, MEDIA_TYPE, Problem, ProblemError, failed, too_large

Answer = dict[str, Any]

_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The request's id: the one it was sent with, or one made for it.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "Retry-After": {
        "description": "Seconds after which it may be worth another try.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"description": "How a key is sent.", "schema": {"type": "string"}},
    "Refresh": {
        "description": "Seconds after which the browser asks again, where the request said so.",
        "schema": {"type": "integer"},
    },
    "Accept-Encoding": {
        "description": "The encodings that a body may have, where it had another.",
        "schema": {"type": "string"},
    },
    "Idempotent-Replayed": {
        "description": "`true` where this is the answer that the same request had before.",
        "schema": {"type": "string", "const": "true"},
    },
    "RateLimit-Policy": {
        "description": "The key's rate: `q` transactions in `w` seconds "
        "(draft-ietf-httpapi-ratelimit-headers).",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "What is left of it: `r` transactions now, all of them in `t` seconds.",
        "schema": {"type": "string"},
    },
}


_ALWAYS = ("X-Request-Id", "RateLimit-Policy", "RateLimit")


def headers(*names: str) -> dict[str, Any]:
    """These headers, and those that all answers have; of a rate only where a key was sent."""
    return {name: _HEADERS[name] for name in (*_ALWAYS, *names)}


def ref(name: str) -> dict[str, str]:
    """The schema of the struct of this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer(
    description: str, schema: dict[str, Any], examples: dict[str, Any], *names: str
) -> Answer:
    """An answer in JSON, with examples by name, and headers beside those of all answers."""
    shown = {name: {"value": msgspec.to_builtins(one)} for name, one in examples.items()}
    return {
        "description": description,
        "headers": headers(*names),
        "content": {"application/json": {"schema": schema, "examples": shown}},
    }


def refusal(description: str, examples: dict[str, Problem | ProblemError], *names: str) -> Answer:
    """An answer that says what is wrong."""
    shown = {
        name: one.problem if isinstance(one, ProblemError) else one
        for name, one in examples.items()
    }
    told = answer(description, ref("Problem"), shown, *names)
    return told | {"content": {MEDIA_TYPE: told["content"]["application/json"]}}


AMOUNT_REFUSED = ProblemError(
    HTTPStatus.BAD_REQUEST,
    "invalid-transaction",
    "The transaction breaks the contract",
    "amount -1.0 is not over 0 and up to 1,000,000",
    field="amount",
    value=-1.0,
    expectation="a number over 0 and up to 1,000,000 with at most two decimals",
)
REASONS_REFUSED = ProblemError(
    HTTPStatus.BAD_REQUEST,
    "invalid-parameter",
    "A parameter of the query is not what it may be",
    "The query's reasons are not one whole number from 0 to 10",
    field="reasons",
    value="11",
    expectation="one whole number from 0 to 10",
)
REFRESH_REFUSED = ProblemError(
    HTTPStatus.BAD_REQUEST,
    "invalid-parameter",
    "A parameter of the query is not what it may be",
    "The query's refresh is not one whole number of seconds from 5 to 3,600",
    field="refresh",
    value="0",
    expectation="one whole number of seconds from 5 to 3,600",
)
UNAUTHORIZED = refusal(
    "The request has no key, or one that is not taken (any more)",
    {
        "missing": ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "no-valid-key",
            "The request has no valid API key",
            "Send an API key in the header Authorization: Bearer KEY, or X-API-Key: KEY",
        )
    },
    "WWW-Authenticate",
)
TOO_MANY = refusal(
    "The key asks for more than its rate, or too many wrong keys came from the address",
    {
        "rate": ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "rate-limited",
            "The key asks for more than its rate",
            "This key may ask about 1000 transactions a second, 2000 at once; ask again in 1 s.",
        )
    },
    "Retry-After",
)


def forbidden(scope: str) -> Answer:
    """The answer to a key without this scope."""
    problem = ProblemError(
        HTTPStatus.FORBIDDEN,
        "scope-missing",
        "The key may not do this",
        f"It needs the scope {scope}; make a key with it, as a key's scopes don't change",
    )
    return refusal("The key may do other things", {"scope": problem}, "WWW-Authenticate")


BATCH_REFUSED = ProblemError(
    HTTPStatus.BAD_REQUEST,
    "invalid-batch",
    "The body is no batch",
    "The body is not a JSON array of 1 to 1,000 transactions: Expected array of length >= 1",
    field="body",
    expectation="a JSON array of 1 to 1,000 transactions",
)
TOO_LARGE = refusal("The body is too large", {"too_large": too_large()})
BATCH_TOO_LARGE = refusal("The body is too large", {"too_large": too_large(BATCH_BODY_LIMIT)})
NOT_JSON = refusal(
    "The body is not announced as JSON in UTF-8, or is compressed",
    {
        "not_json": ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "The body is not announced as JSON in UTF-8",
            "Send the transaction with the header Content-Type: application/json",
            field="Content-Type",
            value="text/plain",
            expectation="application/json",
        )
    },
    "Accept-Encoding",
)
NO_MODEL = ProblemError(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "no-model",
    "No model is in service",
    "No model is in service. Materialize the asset deployed_model; the service takes it up "
    "within 1 s of that.",
)
NOT_LOGGED = ProblemError(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "decision-not-logged",
    "The decision could not be logged",
    "Decisions have to be logged before they are given, and this one was not: too many decisions "
    "wait to be stored. Nothing was decided; ask again.",
)
FAILED = refusal(
    "The service itself failed",
    {"failed": failed("urn:uuid:1b4e28ba-2fa1-4d2e-883f-0016d3cca427")},
)

"""What keys add to an operation: how one is sent, and the answers to who has none that will do."""

from typing import Any

from serving.openapi.answers import FAILED, TOO_MANY, UNAUTHORIZED, forbidden

Operation = dict[str, Any]

SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, as `Authorization: Bearer KEY`.",
    },
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key, as `X-API-Key: KEY`.",
    },
}


_REQUEST_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Your id for the request: up to 64 letters, digits, dots, underscores and "
    "hyphens. Another is made for one that is none.",
    "schema": {"type": "string"},
    "example": "checkout-7f3a",
}


def guarded(scope: str, operation: Operation) -> Operation:
    """An operation for keys with this scope; `admin` may do all."""
    refusals = {"401": UNAUTHORIZED, "403": forbidden(scope), "429": TOO_MANY, "500": FAILED}
    return operation | {
        "description": f"{operation['description']} A key needs the scope `{scope}`.",
        "parameters": [*operation.get("parameters", []), _REQUEST_ID],
        "security": [{name: [scope]} for name in SCHEMES],
        "responses": dict(sorted((operation["responses"] | refusals).items())),
    }


def public(operation: Operation) -> Operation:
    """An operation for everybody; a key that is sent all the same is held to its rate."""
    answers = operation["responses"] | {"429": TOO_MANY, "500": FAILED}
    return operation | {
        "parameters": [_REQUEST_ID],
        "security": [],
        "responses": dict(sorted(answers.items())),
    }

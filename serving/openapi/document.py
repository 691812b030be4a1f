"""The OpenAPI document of the service, made from the structs that it decodes and encodes."""

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from serving.health import Live, Ready
from serving.messages import Prediction, PredictionRequest
from serving.models import Models
from serving.openapi.guarded import SCHEMES
from serving.openapi.operations import PATHS
from serving.problems import Problem

_STRUCTS = (PredictionRequest, Prediction, Problem, Models, Live, Ready)
_DESCRIPTION = """
Fraud decisions on card transactions.

Every answer that is no decision is a problem detail (RFC 9457, `application/problem+json`) that
says which field is wrong, its value where it is known, and what was expected. An unknown path is
answered with 404, and a known one with another method with 405 and the header `Allow`. What is
asked with GET may be asked with HEAD. What breaks HTTP itself is answered with 400, headers over
32 KiB with 431, and the connection is closed.

Who may ask: a key is sent as `Authorization: Bearer KEY` or as `X-API-Key: KEY`, and is made with
`predictflow keys create`. A service that has no keys answers on this machine's loopback alone, and
asks for none.
"""


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    _, schemas = msgspec.json.schema_components(
        _STRUCTS, ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PredictFlow prediction service",
            "version": version("predictflow"),
            "description": _DESCRIPTION.strip(),
        },
        "tags": [
            {"name": "decisions", "description": "What a payment waits for."},
            {"name": "model", "description": "What decides."},
            {"name": "operation", "description": "For who runs the service."},
        ],
        "paths": PATHS,
        "components": {"schemas": schemas, "securitySchemes": SCHEMES},
    }


@cache
def document_json() -> bytes:
    """The document as it is served."""
    return msgspec.json.encode(document())

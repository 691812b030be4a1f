"""The service's OpenAPI document, with examples; its pages, which load from a CDN, are off."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Example, Operation

from serving.messages import MOST_REASONS, PredictionRequest
from serving.problems import BODY_LIMIT, MEDIA_TYPE, Problem

OPENAPI = OpenAPIConfig(
    title="PredictFlow prediction service",
    version="0.1.0",
    description="Fraud decisions on card transactions. Errors are problem details (RFC 9457).",
    path="/schema",
    render_plugins=[JsonRenderPlugin()],
    use_handler_docstrings=True,
)

_REQUEST_EXAMPLE = {
    "transaction_id": "tx-1",
    "timestamp": "2026-03-01T12:00:00Z",
    "user_id": "user-7",
    "merchant_id": "merchant-3",
    "device_id": "device-1",
    "amount": 129.9,
}


_REASONS = {
    "name": "reasons",
    "in": "query",
    "required": False,
    "description": "How many reasons to give: the features that moved the probability most.",
    "schema": {"type": "integer", "minimum": 0, "maximum": MOST_REASONS},
    "example": 3,
}


class PredictOperation(Operation):
    """`/predict` as documented: its body is decoded by the service, so Litestar cannot know it."""

    def to_schema(self) -> dict[str, Any]:
        """The operation with the body that `decode_request` takes."""
        _, components = msgspec.json.schema_components([PredictionRequest])
        body = {"schema": components["PredictionRequest"], "example": _REQUEST_EXAMPLE}
        return super().to_schema() | {
            "parameters": [_REASONS],
            "requestBody": {"required": True, "content": {"application/json": body}},
        }


def _problem(description: str, example: Problem) -> ResponseSpec:
    return ResponseSpec(
        data_container=Problem,
        description=description,
        media_type=MEDIA_TYPE,
        generate_examples=False,
        examples=[Example(value=msgspec.to_builtins(example))],
    )


def _plain(status: HTTPStatus, detail: str) -> ResponseSpec:
    problem = Problem(type="about:blank", title=status.phrase, status=status, detail=detail)
    return _problem(status.phrase, problem)


PREDICT_RESPONSES = {
    400: _problem(
        "The transaction breaks the contract",
        Problem(
            type="urn:predictflow:problem:invalid-transaction",
            title="The transaction breaks the contract",
            status=400,
            detail="amount -1.0 is not over 0 and up to 1,000,000",
            field="amount",
            value=-1.0,
            expectation="a number over 0 and up to 1,000,000 with at most two decimals",
        ),
    ),
    413: _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is over {BODY_LIMIT:,} bytes"),
    415: _plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the transaction as application/json"),
    503: _problem(
        "No model is in service",
        Problem(
            type="urn:predictflow:problem:no-model",
            title="No model is in service",
            status=503,
            detail="No model is in service. Materialize the asset deployed_model.",
        ),
    ),
}

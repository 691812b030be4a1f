"""The operations that decide."""

from serving.batch import MOST
from serving.messages import MOST_REASONS
from serving.openapi.answers import (
    AMOUNT_REFUSED,
    BATCH_REFUSED,
    BATCH_TOO_LARGE,
    NO_MODEL,
    NOT_JSON,
    NOT_LOGGED,
    REASONS_REFUSED,
    TOO_LARGE,
    answer,
    ref,
    refusal,
)
from serving.openapi.guarded import guarded

TRANSACTION = {
    "transaction_id": "tx-1",
    "timestamp": "2026-03-01T12:00:00Z",
    "user_id": "user-7",
    "merchant_id": "merchant-3",
    "device_id": "device-1",
    "amount": 129.9,
}
PREDICTION = {
    "transaction_id": "tx-1",
    "fraud_probability": 0.0213,
    "is_fraud": False,
    "confidence": 0.9574,
    "threshold": 0.4,
    "model_version": "12",
    "action": "allow",
    "degraded": False,
    "degraded_reason": None,
}
_REASON = {
    "feature": "amount",
    "value": 129.9,
    "contribution": -0.41,
    "text": "an amount of 129.90",
}
_DEGRADED = {
    "degraded": True,
    "degraded_reason": "the online store did not answer in time; scored without history",
}
_BLOCKED = {
    "fraud_probability": 0.8131,
    "is_fraud": True,
    "confidence": 0.6262,
    "action": "block",
}
_REASONS = {
    "name": "reasons",
    "in": "query",
    "required": False,
    "description": "How many reasons to give: the features that moved the probability most.",
    "schema": {"type": "integer", "minimum": 0, "maximum": MOST_REASONS},
    "example": 3,
}
_UNAVAILABLE = refusal(
    "No model is in service, or the decision cannot be logged and has to be",
    {"no_model": NO_MODEL, "not_logged": NOT_LOGGED},
    "Retry-After",
)
_AGAIN = (
    "The same request within `serving.repeat_seconds` has the same answer, to the byte, with the "
    "header `Idempotent-Replayed`: the same key, transaction id, content and `reasons`."
)

PREDICT = guarded(
    "predict",
    {
        "operationId": "predict",
        "tags": ["decisions"],
        "summary": "Judge one transaction",
        "description": "Scores one transaction with the model that was deployed last. Without the "
        "online store it is scored on what the request says, and the answer has `degraded: true`. "
        "Do what `action` says: with `serving.pass_share` some frauds are let pass at random, to "
        f"learn what is blocked. {_AGAIN}",
        "parameters": [_REASONS],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": ref("PredictionRequest"),
                    "examples": {"transaction": {"value": TRANSACTION}},
                }
            },
        },
        "responses": {
            "200": answer(
                "The decision",
                ref("Prediction"),
                {
                    "decision": PREDICTION,
                    "blocked": PREDICTION | _BLOCKED,
                    "let_pass": PREDICTION | _BLOCKED | {"action": "allow"},
                    "with_reasons": PREDICTION | {"reasons": [_REASON]},
                    "degraded": PREDICTION | _DEGRADED,
                },
                "Idempotent-Replayed",
            ),
            "400": refusal(
                "The transaction or the query breaks the contract",
                {"amount": AMOUNT_REFUSED, "reasons": REASONS_REFUSED},
            ),
            "413": TOO_LARGE,
            "415": NOT_JSON,
            "503": _UNAVAILABLE,
        },
    },
)

BATCH = guarded(
    "predict",
    {
        "operationId": "predict_batch",
        "tags": ["decisions"],
        "summary": f"Judge up to {MOST:,} transactions",
        "description": "Scores them with one model. The answer has one place for each, in their "
        "order: a prediction, or the problem that `/predict` would have answered. A batch spends "
        f"as much of a key's rate as it has transactions. {_AGAIN} Of a batch the header is there "
        "where all of it was.",
        "parameters": [_REASONS],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "array",
                        "items": ref("PredictionRequest"),
                        "minItems": 1,
                        "maxItems": MOST,
                    },
                    "examples": {
                        "two": {"value": [TRANSACTION, TRANSACTION | {"transaction_id": "tx-2"}]}
                    },
                }
            },
        },
        "responses": {
            "200": answer(
                "A prediction or a problem for each",
                {"type": "array", "items": {"oneOf": [ref("Prediction"), ref("Problem")]}},
                {"one_refused": [PREDICTION, AMOUNT_REFUSED.problem]},
                "Idempotent-Replayed",
            ),
            "400": refusal(
                "The body is no batch, or the query is wrong",
                {"batch": BATCH_REFUSED, "reasons": REASONS_REFUSED},
            ),
            "413": BATCH_TOO_LARGE,
            "415": NOT_JSON,
            "503": _UNAVAILABLE,
        },
    },
)

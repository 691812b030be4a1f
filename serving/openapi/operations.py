"""What is at which path."""

from typing import Any

from serving.openapi.answers import REFRESH_REFUSED, answer, headers, ref, refusal
from serving.openapi.decisions import BATCH, PREDICT
from serving.openapi.guarded import guarded, public

_SERVED = {
    "model_name": "fraud_detector",
    "model_version": "12",
    "partition": "2026-02-28",
    "threshold": 0.4,
    "training_window": ["2026-01-22", "2026-02-20"],
    "features": ["amount", "hour_of_day"],
    "metrics": {"average_precision": 0.71},
    "created_at": "2026-03-01T02:14:00Z",
    "run_id": "5e1f",
    "sha256": {"model.ubj": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    "promoted_at": "2026-03-01T02:15:00+00:00",
    "loaded_at": "2026-03-01T02:15:01+00:00",
}
_MODEL = guarded(
    "model:read",
    {
        "operationId": "model",
        "tags": ["model"],
        "summary": "Which models are in service",
        "description": "The champion answers; the shadow scores each request too, and answers "
        "nobody.",
        "responses": {
            "200": answer(
                "The models",
                ref("Models"),
                {
                    "models": {
                        "champion": {"model": _SERVED, "refusal": None},
                        "shadow": {"model": None, "refusal": None},
                    }
                },
            ),
        },
    },
)

_LIVE = public(
    {
        "operationId": "live",
        "tags": ["operation"],
        "summary": "Whether the process answers",
        "responses": {"200": answer("It does", ref("Live"), {"live": {"status": "live"}})},
    }
)

_IS_READY = {
    "ready": True,
    "reasons": [],
    "model_version": "12",
    "partition": "2026-02-28",
    "loaded_at": "2026-03-01T02:15:01+00:00",
    "online_store": "ok",
    "online_store_breaker": "closed",
    "decision_log": "ok",
}
_NOT_READY = {
    "ready": False,
    "reasons": ["no model is in service below .predictflow/bundles"],
    "model_version": None,
    "partition": None,
    "loaded_at": None,
    "online_store": "ok",
    "online_store_breaker": "closed",
    "decision_log": "ok",
}
_READY = public(
    {
        "operationId": "ready",
        "tags": ["operation"],
        "summary": "Whether it can decide",
        "description": "A store that is down degrades the answers, no more: the service stays "
        "ready. A decision log that cannot be written is 503 where decisions have to be logged. "
        "Where there are keys, only who sends one is told more than whether it is.",
        "responses": {
            "200": answer(
                "It can decide", ref("Ready"), {"ready": _IS_READY, "no_key": {"ready": True}}
            ),
            "503": answer("It cannot", ref("Ready"), {"no_model": _NOT_READY}),
        },
    }
)

_METRICS = guarded(
    "admin",
    {
        "operationId": "metrics",
        "tags": ["operation"],
        "summary": "Prometheus' metrics",
        "description": "With the setting `serving.admin_port` they are there alone.",
        "responses": {
            "200": {
                "description": "The metrics in Prometheus' text format",
                "headers": headers(),
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
        },
    },
)

_STATUS = guarded(
    "admin",
    {
        "operationId": "status",
        "tags": ["operation"],
        "summary": "The service and the platform on one page",
        "description": "For people, in a browser: a key may be sent as the password of HTTP Basic "
        "here too. With the setting `serving.admin_port` it is there alone.",
        "parameters": [
            {
                "name": "refresh",
                "in": "query",
                "required": False,
                "description": "Seconds after which the browser asks again by itself.",
                "schema": {"type": "integer", "minimum": 5, "maximum": 3600},
                "example": 60,
            }
        ],
        "responses": {
            "200": {
                "description": "The page",
                "headers": headers("Refresh"),
                "content": {"text/html": {"schema": {"type": "string"}}},
            },
            "400": refusal("The parameter is not what it may be", {"refresh": REFRESH_REFUSED}),
        },
    },
)

PATHS: dict[str, Any] = {
    "/predict": {"post": PREDICT},
    "/predict/batch": {"post": BATCH},
    "/model": {"get": _MODEL},
    "/health/live": {"get": _LIVE},
    "/health/ready": {"get": _READY},
    "/metrics": {"get": _METRICS},
    "/status": {"get": _STATUS},
}

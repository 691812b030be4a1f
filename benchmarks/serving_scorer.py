"""A scorer that asks Feast's feature server by HTTP: `uvicorn benchmarks.serving_scorer:app`.

BENCH_MODEL says where the model is, BENCH_FEATURES where `feast serve` answers.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pandas as pd
from fastapi import FastAPI
from mlflow.xgboost import load_model

from benchmarks.serving_asked import Decision, Transaction, decide, entity_row

model = load_model(os.environ["BENCH_MODEL"])


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(base_url=os.environ["BENCH_FEATURES"], timeout=10) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=running)


@app.post("/predict")
async def predict(asked: Transaction) -> Decision:
    """One transaction in, one decision out."""
    answer = await app.state.client.post(
        "/get-online-features",
        json={
            "feature_service": "fraud_detector",
            "entities": {name: [value] for name, value in entity_row(asked).items()},
            "full_feature_names": True,
        },
    )
    found = answer.raise_for_status().json()
    names = found["metadata"]["feature_names"]
    values = [one["values"] for one in found["results"]]
    return decide(model, asked, pd.DataFrame(dict(zip(names, values, strict=True))))

"""The service as people write it: FastAPI, pydantic, MLflow's model, Feast's own reading.

For `uvicorn benchmarks.serving_fastapi:app`; BENCH_MODEL and BENCH_FEAST say where the model and
Feast's repository are.
"""

import os

from fastapi import FastAPI
from feast import FeatureStore
from mlflow.xgboost import load_model

from benchmarks.serving_asked import Decision, Transaction, decide, entity_row

app = FastAPI()
model = load_model(os.environ["BENCH_MODEL"])
store = FeatureStore(repo_path=os.environ["BENCH_FEAST"])
service = store.get_feature_service("fraud_detector")


@app.post("/predict")
def predict(asked: Transaction) -> Decision:
    """One transaction in, one decision out."""
    found = store.get_online_features(service, [entity_row(asked)], full_feature_names=True)
    return decide(model, asked, found.to_df())

"""The prediction service: answers `/predict` from the model that was deployed last."""

"""PredictFlow: from raw card transactions to a served fraud decision."""

"""The stream worker: from Kafka's transactions to each user's recent events in the online store."""

"""Predictions, evidence and feedback: durable before they are acknowledged, in SQLite or PostgreSQL."""

"""Evaluation: score tables come in; metrics, calibration, policies, slices, checks and the report go out."""

"""Tests; units mirror `src`."""

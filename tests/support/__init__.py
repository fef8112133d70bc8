"""Procedural fixtures shared by the tests: pictures and models made in memory."""

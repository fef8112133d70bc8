"""Tests of what is deployed: images, compose, monitoring, workflows."""

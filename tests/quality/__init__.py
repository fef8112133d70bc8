"""Holds the shipped model against what is said of it: needs models/ and reports/, and fails without them."""

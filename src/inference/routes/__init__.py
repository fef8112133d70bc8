"""The API's routes: each reads a request, calls one thing, and shapes the reply."""

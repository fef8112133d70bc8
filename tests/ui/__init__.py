"""The page: its logic with a fake service, and every screen in a real Chromium against the real service."""

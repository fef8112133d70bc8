"""What a file says about its own origin: bytes in, signals with their strength out.

Start at `inspector.inspect` and `combine.combine`; `docs/EVIDENCE.md` says what each signal is worth.
"""

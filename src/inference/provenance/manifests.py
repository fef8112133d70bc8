"""A file with an embedded C2PA manifest store in, the validated store out, read by the c2pa library.

The library is native and takes bytes of any origin, so each reading has a time limit and the manifest a bound
on its size, and nothing is ever fetched: no remote manifest, no revocation answer, no identity document.
"""

from __future__ import annotations

import importlib
import json
import ssl
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from threading import BoundedSemaphore, Lock, Thread
from time import monotonic
from typing import Any

from src.utils.errors import ConfigError

MAX_MANIFEST = 8 * 2**20
"""Bytes, unpacked; a manifest with thumbnails of several ingredients has some hundred kilobytes."""
_PURPOSES = (
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
    "1.3.6.1.5.5.7.3.36",  # document signing
    "1.3.6.1.5.5.7.3.4",  # e-mail protection, used by C2PA signers before the trust list
    "1.3.6.1.4.1.311.76.59.1.9",  # Microsoft's C2PA signing
)


class ManifestProblem(Exception):  # noqa: N818 - not an error of ours or of the sender's
    """Why there is no validated store; the message is for people."""


class ManifestReader:
    """Reads manifest stores; may be shared by threads.

    Args:
        trust_anchors: PEM certificates of the authorities whose signers are trusted; none by default, so that
            every signer is unknown.
        timeout_s: Seconds one reading may take.
        slots: Readings at once. One that never ends keeps its slot, and no more than these are ever lost.

    Raises:
        ConfigError: The anchors are no certificates.
    """

    def __init__(self, trust_anchors: str = "", *, timeout_s: float = 2.0, slots: int = 4) -> None:
        self._anchors = trust_anchors
        self._timeout_s = timeout_s
        self._slots = BoundedSemaphore(slots)
        self._lock = Lock()
        self._context: Any = None
        if trust_anchors:
            self._prepare()

    @classmethod
    def from_file(cls, path: Path | None, *, timeout_s: float = 2.0) -> ManifestReader:
        """Build a reader that trusts the authorities in a PEM file; None trusts nobody.

        Raises:
            ConfigError: The file cannot be read or holds no certificates.
        """
        if path is None:
            return cls(timeout_s=timeout_s)
        try:
            text = path.read_text("ascii", "ignore")
        except OSError as error:
            raise ConfigError(f"the trust list cannot be read: {error.strerror}") from error
        try:
            # The C2PA library passes over what it cannot read; half a list must not go unnoticed.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError("the trust list holds no PEM certificates, or damaged ones") from error
        return cls(text, timeout_s=timeout_s)

    def read(self, data: bytes) -> Mapping[str, Any]:
        """Read and validate the embedded manifest store.

        Args:
            data: The whole file; its length is the caller's to bound.

        Returns:
            The store as the library's JSON describes it.

        Raises:
            ManifestProblem: There is none, it is damaged, or it took too long.
        """
        end = monotonic() + self._timeout_s
        # Not waited for: what holds them all may never end, and other photos wait for this thread.
        if not self._slots.acquire(blocking=False):
            raise ManifestProblem("Too many C2PA manifests are being read.")
        answer: list[Mapping[str, Any] | ManifestProblem] = []
        # A native call cannot be cancelled; a daemon thread can at least be left behind.
        thread = Thread(target=self._work, args=(data, answer), name="c2pa", daemon=True)
        thread.start()
        thread.join(max(0.0, end - monotonic()))
        if not answer:
            raise ManifestProblem("The C2PA manifest could not be read in time.")
        if isinstance(answer[0], ManifestProblem):
            raise answer[0]
        return answer[0]

    def _work(self, data: bytes, answer: list[Mapping[str, Any] | ManifestProblem]) -> None:
        try:
            answer.append(self._read(data))
        except ManifestProblem as problem:
            answer.append(problem)
        finally:
            self._slots.release()

    def _read(self, data: bytes) -> Mapping[str, Any]:
        context = self._prepare()
        library = _library()
        try:
            reader = library.Reader(None, BytesIO(data), context=context)
            with reader:
                store = json.loads(reader.json())
        # The binding's own error, and what its conversions of strings, numbers and memory may raise.
        except (library.C2paError, ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
            raise ManifestProblem("The file holds a C2PA manifest that is damaged.") from error
        if not isinstance(store, dict):
            raise ManifestProblem("The file holds a C2PA manifest that is damaged.")
        return store

    def _prepare(self) -> Any:  # noqa: ANN401 - the library ships no types
        """Build the library's context once, when the first manifest comes: most photos have none."""
        with self._lock:
            if self._context is None:
                self._context = _context(self._anchors)
            return self._context


def _context(anchors: str) -> Any:  # noqa: ANN401 - the library ships no types
    library = _library()
    trust = {"trust_config": "\n".join(_PURPOSES)} | ({"trust_anchors": anchors} if anchors else {})
    settings = {
        "trust": trust,
        # Without a list of ours nobody is trusted, whatever list the library may bring along.
        "verify": {"verify_trust": bool(anchors), "remote_manifest_fetch": False, "ocsp_fetch": False},
        "core": {
            "decode_identity_assertions": False,
            "allowed_network_hosts": [],
            "max_decompressed_manifest_size_in_mb": MAX_MANIFEST // 2**20,
        },
    }
    try:
        return library.Context.from_dict(settings)
    except library.C2paError as error:
        raise ConfigError("the trust list holds a certificate that cannot be read") from error


def _library() -> Any:  # noqa: ANN401 - the library ships no types
    """Import the library when it is first needed: its native part is large.

    Raises:
        ManifestProblem: It does not load on this machine.
    """
    try:
        return importlib.import_module("c2pa")
    except (ImportError, OSError, RuntimeError) as error:
        raise ManifestProblem("This installation cannot read C2PA manifests.") from error

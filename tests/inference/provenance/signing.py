"""Authorities, signers and C2PA manifests made for the tests; nothing in them is anybody's."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
EDITED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
UNSAID = "http://c2pa.org/digitalsourcetype/empty"
CAPTURED = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
_CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
_MIME = {b"\x89P": "image/png", b"\xff\xd8": "image/jpeg", b"RI": "image/webp"}


@dataclass(frozen=True)
class Authority:
    """An authority and the one signer that it vouches for.

    Attributes:
        root: PEM of the authority's certificate: what goes on a trust list.
        chain: PEM of the signer's certificate and the authority's.
        key: PEM of the signer's private key.
    """

    root: str
    chain: str
    key: str


@cache
def authority(name: str, signer: str = "Test Camera and Image Works") -> Authority:
    """Make an authority, once for each name."""
    now = dt.datetime.now(dt.UTC)
    begin, end = now - dt.timedelta(days=30), now + dt.timedelta(days=3650)
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = _name(name)
    root = (
        _certificate(root_name, root_name, root_key, begin, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _certificate(_name(signer), root_name, leaf_key, begin, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, _CLAIM_SIGNING]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )
    key = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Authority(root=_pem(root), chain=_pem(leaf) + _pem(root), key=key.decode())


def signed(
    photo: bytes,
    authority: Authority,
    *,
    source_type: str = GENERATED,
    agent: str = "Test Image Works",
    parent: bytes | None = None,
    component: bytes | None = None,
    ballast: int = 0,
) -> bytes:
    """Embed a signed manifest in a PNG, JPEG or WebP.

    Args:
        photo: The file.
        authority: Whose signer signs.
        source_type: Of the `c2pa.created` action; with a parent there is a `c2pa.opened` action instead.
        agent: The program that the manifest names.
        parent: A file that this one is said to be an edit of.
        component: A file that this one is said to hold a part of.
        ballast: Bytes of zeros in the manifest, which is then packed.
    """
    created = {"action": "c2pa.created", "softwareAgent": {"name": agent}, "digitalSourceType": source_type}
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parentOf"]}}
    placed = {"action": "c2pa.placed", "parameters": {"ingredientIds": ["componentOf"]}}
    actions: list[dict[str, Any]] = [created if parent is None else opened]
    actions += [placed] if component is not None else []
    manifest: dict[str, Any] = {
        "claim_generator_info": [{"name": agent, "version": "1.0"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    if ballast:
        manifest["thumbnail"] = {"format": "image/jpeg", "identifier": "ballast"}
    settings = {
        "builder": {"thumbnail": {"enabled": False}},
        "core": {"prefer_compress_manifests": bool(ballast)},
        "verify": {"verify_after_sign": False, "remote_manifest_fetch": False},
    }
    signer = c2pa.Signer.from_info(
        c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, authority.chain.encode(), authority.key.encode(), None)
    )
    target = BytesIO()
    with c2pa.Builder(json.dumps(manifest), c2pa.Context.from_dict(settings)) as builder:
        for file, relation in ((parent, "parentOf"), (component, "componentOf")):
            if file is not None:
                ingredient = {"title": relation, "relationship": relation, "label": relation}
                builder.add_ingredient(json.dumps(ingredient), mime_of(file), BytesIO(file))
        if ballast:
            builder.add_resource("ballast", BytesIO(bytes(ballast)))
        builder.sign(signer, mime_of(photo), BytesIO(photo), target)
    return target.getvalue()


def mime_of(photo: bytes) -> str:
    return _MIME[photo[:2]]


def _name(text: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CH"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, text),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ]
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begin: dt.datetime,
    end: dt.datetime,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()

"""Error codes are a promise to clients, and errors cross process borders whole."""

from __future__ import annotations

import pickle

import pytest

from src.utils import errors

CODES = {
    errors.EmptyImage(): "empty_file",
    errors.UnsupportedImage(): "unsupported_format",
    errors.CorruptImage("It is cut."): "corrupt_image",
    errors.ImageTooLarge("too_many_pixels", "More than 5 pixels."): "too_many_pixels",
    errors.ImageTooSmall(): "image_too_small",
    errors.ImageTooElongated(): "too_elongated",
    errors.ImageError("image_invalid", "It is odd."): "image_invalid",
    errors.ModelError("No card."): "model_invalid",
    errors.DataError("Two labels."): "data_invalid",
    errors.ConfigError("Unknown key."): "config_invalid",
    errors.PolicyError("No such policy."): "unknown_policy",
    errors.OverloadedError("Later, please."): "overloaded",
    errors.StoreError("It is down."): "store_unavailable",
    errors.RegistryError("It is away."): "registry_unavailable",
    errors.PromotionRefused("Too slow."): "promotion_refused",
    errors.NotFoundError("No such prediction."): "not_found",
    errors.PhotoNotKept("It has expired."): "photo_not_kept",
    errors.IdempotencyConflict("Another body."): "idempotency_conflict",
}


@pytest.mark.parametrize(("error", "code"), CODES.items(), ids=lambda value: str(value)[:20])
def test_codes_are_stable_and_survive_pickling(error: errors.DetectorError, code: str) -> None:
    assert error.code == code
    assert str(error) == error.message
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (again.code, again.message) == (code, error.message)


def test_every_bad_photo_is_an_image_error() -> None:
    kinds = (
        errors.EmptyImage,
        errors.UnsupportedImage,
        errors.CorruptImage,
        errors.ImageTooLarge,
        errors.ImageTooSmall,
        errors.ImageTooElongated,
    )
    assert all(issubclass(kind, errors.ImageError) for kind in kinds)

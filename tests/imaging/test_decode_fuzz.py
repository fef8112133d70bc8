"""Whatever arrives, `decode` answers with a picture or with a typed error, and leaves nothing behind."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.imaging.decode import decode
from src.utils.errors import ImageError
from tests.support.damage import damaged_files, seed_files

CODES = {
    "empty_file",
    "unsupported_format",
    "corrupt_image",
    "file_too_large",
    "too_many_pixels",
    "side_too_long",
    "too_many_frames",
    "too_elongated",
    "image_too_small",
}


def answers(data: bytes) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = decode_or_code(data)
    assert outcome == "RGB" or outcome in CODES
    assert not caught, [str(warning.message) for warning in caught]


def decode_or_code(data: bytes) -> str:
    try:
        image = decode(data)
        image.tobytes()
    except ImageError as error:
        return error.code
    return image.mode


@pytest.mark.parametrize("name", sorted(seed_files()))
def test_every_seed_of_the_fuzzer_is_a_valid_photo(name: str) -> None:
    assert decode(seed_files()[name]).mode == "RGB"


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=damaged_files())
def test_damaged_files_give_a_picture_or_a_typed_error(data: bytes) -> None:
    answers(data)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200), magic=st.sampled_from(sorted(seed_files())))
def test_noise_behind_a_valid_header_gives_a_typed_error(data: bytes, magic: str) -> None:
    answers(seed_files()[magic][:16] + data)


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=64))
def test_noise_gives_a_typed_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode(data)

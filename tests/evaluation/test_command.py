"""Commands end in one line and an exit code, not in a traceback."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from src.evaluation.command import run_command
from src.utils.errors import DataError


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1)])
def test_the_exit_code_is_passed_on(code: int, expected: int) -> None:
    with pytest.raises(SystemExit) as left:
        run_command(lambda _: code)
    assert left.value.code == expected


def test_an_error_for_the_reader_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(argv: Sequence[str]) -> int:
        raise DataError("the table is empty")

    with pytest.raises(SystemExit) as left:
        run_command(fails)
    assert left.value.code == 2
    assert capsys.readouterr().err == "data_invalid: the table is empty\n"


def test_other_errors_are_not_swallowed() -> None:
    def breaks(argv: Sequence[str]) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(breaks)

from __future__ import annotations

import pytest

from poses import InputError, UsageError
from poses.commands import run_command


@pytest.mark.parametrize(("kind", "code"), [(InputError, 1), (UsageError, 2)])
def test_a_users_mistake_is_a_line_and_a_code(
    kind: type[InputError] | type[UsageError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise kind("clip.mp4: no such file", "check the name")

    assert run_command(work) == code
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "error: clip.mp4: no such file: check the name\n")


def test_work_that_ends_well_gives_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(lambda: 7) == 0
    assert capsys.readouterr() == ("", "")


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 // 0)

"""Errors whose message a user can act on; commands print them without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: a file, an option, a missing package.

    Parameters
    ----------
    problem : what was expected and what came, naming the file or the option.
    remedy : what to do about it; empty where nothing can be done.

    Attributes
    ----------
    exit_code : what a command that ends with this error returns.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class UsageError(UserError):
    """The command line or the configuration asks for something that cannot be: exit code 2."""

    exit_code = 2


class InputError(UserError):
    """One input (a video, a file) cannot be used; other inputs may still be: exit code 1."""

    exit_code = 1

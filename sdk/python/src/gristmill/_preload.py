"""Imports, while a component is built, what its jobs would import: they find no files."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

STANDARD = (
    "_strptime",
    "bisect",
    "encodings.ascii",
    "encodings.cp1252",
    "encodings.latin_1",
    "encodings.utf_16",
    "encodings.utf_8_sig",
    "heapq",
)
"""What common functions of the standard library import late: `strptime`, `Counter.most_common`, codecs."""

USELESS = frozenset(
    "asyncio concurrent ctypes curses doctest ftplib http idlelib importlib multiprocessing pdb pip select setuptools "
    "smtplib socket socketserver sqlite3 ssl subprocess test threading tkinter turtle unittest urllib venv webbrowser "
    "xmlrpc".split()
)
"""Top-level modules that packages name and a component has little use for. The project's own modules get them."""

ROUNDS = 8
"""How often what was imported last is looked at in turn."""

_INDENTED = re.compile(
    r"^[ \t]+(?:from[ \t]+([.\w]+)[ \t]+import[ \t]+\(?([\w, \t]*)|import[ \t]+(\w[\w., \t]*))", re.MULTILINE
)


def preload(project: str, is_code: Callable[[str], bool]) -> None:
    """Imports what common functions need, and what modules import inside of their functions: those of the project, in
    the folder `project`, and those of packages, which are the other files that `is_code`. What cannot be imported is
    left: a job that needs it says so."""
    for name in STANDARD:
        _load(name, None)
    seen: set[str] = set()
    for _ in range(ROUNDS):
        fresh = [module for name, module in list(sys.modules.items()) if name not in seen]
        seen.update(sys.modules)
        for module in fresh:
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.endswith(".py") and is_code(file):
                _late(module, file, whole=file.startswith(project))


def _late(module: ModuleType, file: str, whole: bool) -> None:
    package = getattr(module, "__package__", None) or None
    with open(file, encoding="utf-8", errors="replace") as source:
        for name, members in inner_imports(source.read()):
            if whole or name.partition(".")[0] not in USELESS:
                _load(name, package, members)


def inner_imports(source: str) -> Iterator[tuple[str, list[str]]]:
    """The modules that a Python source imports in indented lines, and what it takes from each."""
    for origin, members, names in _INDENTED.findall(source):
        if origin:
            yield origin, [member.split()[0] for member in members.split(",") if member.strip()]
        for name in names.split(","):
            if name.strip():
                yield name.split()[0], []


def _load(name: str, package: str | None, members: list[str] | None = None) -> None:
    try:
        module = importlib.import_module(name, package)
    except BaseException:
        # Whatever a module does that cannot be imported here, the build goes on.
        return
    for member in members or []:
        if not hasattr(module, member) and hasattr(module, "__path__"):
            _load(f"{module.__name__}.{member}", None)

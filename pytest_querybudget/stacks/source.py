"""Which files are the application, and how its lines are named."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Literal

from pytest_querybudget.recording.places import Place

LIBRARY, APPLICATION, FRAMEWORK = 0, 1, 2

# A request is one entry into one of these: what runs inside is the application's, what repeats it is the client.
FRAMEWORKS = frozenset(
    """aiohttp bottle channels cherrypy connexion django falcon fastapi flask httpx litestar pyramid quart
    requests sanic starlette tornado twisted uvicorn webob webtest werkzeug""".split()
)
# What runs the suite or this plugin is never the application, wherever it lies.
MACHINERY = frozenset(
    """_pytest anyio asyncio asyncpg aiosqlite aiomysql asyncmy coverage greenlet hypothesis pluggy psycopg psycopg2
    pymysql pytest pytest_asyncio pytest_querybudget sqlalchemy xdist""".split()
)


_TEST_FOLDERS = frozenset({"tests", "test", "testing"})
_METHODS = (staticmethod, classmethod)
# How many places are remembered: each keeps its code alive.
MOST_PLACES = 10_000
_ARRANGING = frozenset({"conftest", "factories", "factory", "fixtures"})


class Source:
    """Tells application files from libraries, and decodes instructions into places.

    `rootdir` is the project's root; `packages` are names or directories that are the application wherever they are
    installed (the ini option `querybudget_source`); by default the project's own top-level packages.
    """

    def __init__(self, rootdir: Path, packages: Iterable[str] = ()) -> None:
        self.root = os.path.join(os.path.realpath(rootdir), "")
        given = list(packages)
        self.directories = tuple(
            os.path.join(os.path.realpath(os.path.join(self.root, each)), "")
            for each in given
            if os.path.isdir(os.path.join(self.root, each))
        )
        self.packages = frozenset(each for each in given if each.isidentifier()) | own_packages(Path(self.root))
        self.sites = _site_directories()
        self.stdlib = os.path.join(os.path.realpath(sysconfig.get_path("stdlib")), "")
        self.kinds: dict[str, int] = {}
        self.arrangements: dict[str, Literal[True] | frozenset[CodeType]] = {}
        self.places: dict[tuple[int, int], tuple[CodeType, Place]] = {}
        self.paths: dict[str, str] = {}

    def kind(self, filename: str) -> int:
        """Return `APPLICATION`, `FRAMEWORK` or `LIBRARY` for the file name of a code object."""
        known = self.kinds.get(filename)
        return self.classify(filename) if known is None else known

    def classify(self, filename: str) -> int:
        """Return `APPLICATION`, `FRAMEWORK` or `LIBRARY` for the file name of a code object, and remember it."""
        kind = self.kinds[filename] = self._classify(filename)
        return kind

    def _classify(self, filename: str) -> int:
        if filename.startswith("<"):
            return APPLICATION if filename.startswith("<doctest") else LIBRARY
        if not os.path.isabs(filename) and not os.path.splitext(filename)[1]:
            # A template that Mako has compiled in memory: its lines are in no file.
            return LIBRARY
        path = os.path.realpath(os.path.join(self.root, filename))
        inside = self._installed(path)
        if inside is not None:
            top = _top(inside)
            if top in MACHINERY:
                return LIBRARY
            if top in self.packages:
                return APPLICATION
            return FRAMEWORK if top in FRAMEWORKS else LIBRARY
        if self._is_machinery(path):
            return LIBRARY
        if path.startswith(self.directories or self.root):
            return APPLICATION
        return APPLICATION if path.startswith(self.root) else LIBRARY

    def _installed(self, path: str) -> str | None:
        """Return what follows site-packages in `path`, whichever environment's it is, with forward slashes."""
        for site in self.sites:
            if path.startswith(site):
                return path[len(site) :].replace(os.sep, "/")
        for marker in ("/site-packages/", "/dist-packages/"):
            _, found, inside = path.replace(os.sep, "/").rpartition(marker)
            if found:
                return inside
        return None

    def _is_machinery(self, path: str) -> bool:
        if path.startswith(self.stdlib):
            return True
        for name in ("sqlalchemy", "_pytest", "pytest_querybudget"):
            module = sys.modules.get(name)
            file = getattr(module, "__file__", None)
            if file and path.startswith(os.path.join(os.path.dirname(os.path.realpath(file)), "")):
                return True
        return False

    def is_arrangement(self, code: CodeType, names: Mapping[str, Any]) -> bool:
        """Return whether a function is a fixture, factory or helper of tests: what it does in a loop is arrangement.

        That is what `conftest.py` holds, what lies beside the tests, and a test module, whose global `names` tell
        whether it is an application of its own: it is when it maps tables or makes a web application itself. The
        methods of test classes are none of any application.
        """
        filename = code.co_filename
        known = self.arrangements.get(filename)
        if known is None:
            parts = self.relative(filename).split("/")
            name = parts[-1].removesuffix(".py")
            is_test = name.startswith("test_") or name.endswith("_test")
            whole = name in _ARRANGING or not _TEST_FOLDERS.isdisjoint(parts[:-1])
            if is_test:
                whole = not _is_application(names)
            known = True if whole else frozenset(_methods_of_tests(names, by_name=is_test))
            self.arrangements[filename] = known
        return known is True or code in known

    def place(self, code: CodeType, instruction: int, functions: Mapping[int, str] | None = None) -> Place:
        """Return the line of `instruction` (an offset into `code`)."""
        key = (id(code), instruction)
        known = self.places.get(key)
        if known is None:
            function = code.co_name
            if function.startswith("<"):
                function = (functions or {}).get(id(code)) or _enclosing(code) or function
            known = code, Place(self.relative(code.co_filename), line_of(code, instruction), function)
            if len(self.places) >= MOST_PLACES:
                # Migrations are executed anew for each test, and each time they are other code.
                self.places.clear()
            self.places[key] = known
        return known[1]

    def relative(self, filename: str) -> str:
        """Return `filename` relative to the project's root, as the project itself keeps it.

        An application that is installed in site-packages is named by its file in the project, so that a place is
        the same installed and editable.
        """
        known = self.paths.get(filename)
        if known is None:
            known = self.paths[filename] = self._relative(filename)
        return known

    def _relative(self, filename: str) -> str:
        path = os.path.realpath(os.path.join(self.root, filename))
        inside = self._installed(path)
        if inside is not None:
            homes = (
                prefix for prefix in ("", "src/", "lib/") if os.path.exists(os.path.join(self.root, prefix, inside))
            )
            return next(homes, "") + inside
        if path.startswith(self.root):
            return path[len(self.root) :].replace(os.sep, "/")
        return os.path.relpath(path, self.root).replace(os.sep, "/")


def _is_application(names: Mapping[str, Any]) -> bool:
    """Return whether a module maps tables, or makes a web application, by its global names."""
    module = names.get("__name__")
    for each in list(names.values()):
        kind = type(each)
        if isinstance(each, type):
            if each.__module__ == module and "__mapper__" in each.__dict__:
                return True
        elif kind.__module__.partition(".")[0] in FRAMEWORKS and callable(each) and hasattr(each, "route"):
            return True
    return False


def _methods_of_tests(names: Mapping[str, Any], *, by_name: bool) -> Iterator[CodeType]:
    """Yield the code of all methods of a module's test classes, and of the functions in them.

    `by_name` says that a name that begins with `Test` makes one, as in a test module.
    """
    case = getattr(sys.modules.get("unittest"), "TestCase", ())
    for each in list(names.values()):
        if not isinstance(each, type) or each.__module__ != names.get("__name__") or "__mapper__" in vars(each):
            continue
        if issubclass(each, case) or (by_name and each.__name__.startswith("Test")):
            for member in vars(each).values():
                function = getattr(member, "__func__", member) if type(member) in _METHODS else member
                while "__wrapped__" in getattr(function, "__dict__", ()):
                    function = function.__dict__["__wrapped__"]
                if type(function) is FunctionType:
                    yield from _nested(function.__code__)


def _nested(code: Any) -> Iterator[CodeType]:
    if isinstance(code, CodeType):
        yield code
        for each in code.co_consts:
            yield from _nested(each)


def line_of(code: CodeType, instruction: int) -> int:
    """Return the line number of the instruction at this offset."""
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end:
            return number or line
        line = number or line
    return line


def own_packages(root: Path) -> frozenset[str]:
    """Return the names of the packages and modules that lie in a project's root, `src` or `lib` directory."""
    names: set[str] = set()
    for directory in (root, root / "src", root / "lib"):
        try:
            entries = list(os.scandir(directory))
        except OSError:
            continue
        for entry in entries:
            name, suffix = os.path.splitext(entry.name)
            if suffix == ".py" and name.isidentifier():
                names.add(name)
            elif entry.name.isidentifier() and os.path.exists(os.path.join(entry.path, "__init__.py")):
                names.add(entry.name)
    return frozenset(names - {"setup", "conftest", "tests", "test", "docs"})


def _site_directories() -> tuple[str, ...]:
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return tuple(os.path.join(os.path.realpath(each), "") for each in paths if each)


def _top(inside: str) -> str:
    return inside.split("/", 1)[0].removesuffix(".py")


def _enclosing(code: CodeType) -> str | None:
    """Name the function around a comprehension or a lambda: from the qualified name, or from the source."""
    qualified = getattr(code, "co_qualname", None)
    if qualified is not None:
        named = [part for part in qualified.split(".") if not part.startswith("<")]
        return named[-1] if named else None
    return _enclosing_in_source(code.co_filename, code.co_firstlineno)


def _enclosing_in_source(filename: str, line: int) -> str | None:
    import ast
    import linecache

    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError):
        return None
    best: tuple[int, str] | None = None
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and node.lineno <= line <= (node.end_lineno or line)
            and (best is None or node.lineno >= best[0])
        ):
            best = node.lineno, node.name
    return best[1] if best else None

"""A hash of the code that functions can reach, part of the key of what is kept of their results.

The code a function can reach is its *import closure*: the module that defines it, the modules of this package that this
one imports (inside functions, too), and so on. It is read from the source. A room's face (``__init__``) only hands
names on and is left out; so are comments, docstrings, and imports for type checking. Packaged weights of the rooms
count, and the versions of packages that make numbers.
"""

from __future__ import annotations

import ast
import hashlib
import sys
import threading
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

PARSING = threading.RLock()
"""Threads parse code, and headers of numpy's files, one after another: in Python 3.11 two at a time can end in a
SystemError (python/cpython#106905)."""

_NUMERICAL = {
    "PIL": "pillow",
    "av": "av",
    "captum": "captum",
    "numpy": "numpy",
    "pydicom": "pydicom",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "skorch": "skorch",
    "statsmodels": "statsmodels",
    "timm": "timm",
    "torch": "torch",
    "torchvision": "torchvision",
}
"""Packages whose version may change a number: name in ``import``, name of the distribution."""


class _SourceTree:
    """The source of a package, as it was when it was first looked at."""

    def __init__(self, package: Path) -> None:
        self.package, self.name = package, package.name
        # All at once: a file that is edited under a running study must not change its keys.
        self._sources = {self._module_at(path): path.read_bytes() for path in sorted(package.rglob("*.py"))}
        self._modules: dict[str, _Module] = {}

    def _module_at(self, path: Path) -> str:
        parts = path.relative_to(self.package.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def __contains__(self, module: str) -> bool:
        return module in self._sources

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def module(self, name: str) -> _Module:
        """A parsed module of the package."""
        if name not in self._modules:
            self._modules[name] = _Module(self._sources[name])
        return self._modules[name]

    def closure(self, modules: Iterable[str]) -> frozenset[str]:
        """Modules, and those of the package that they import, directly or not."""
        reached, waiting = set(), list(modules)
        while waiting:
            module = waiting.pop()
            if module not in reached:
                reached.add(module)
                waiting += self.imported_by(self.module(module))
        return frozenset(reached)

    def imported_by(self, module: _Module) -> set[str]:
        """Modules of the package that define what a module imports."""
        return {self._defining(source, name) for source, name in module.imports if self._is_own(source)}

    def _is_own(self, module: str) -> bool:
        return module.split(".")[0] == self.name

    def _defining(self, source: str, name: str | None) -> str:
        """The module that defines a name imported from another one; with no name, that one itself."""
        if name is not None and f"{source}.{name}" in self:
            return f"{source}.{name}"
        handed_on = self.module(source).handed_on if self._is_face(source) else {}
        return self._defining(*handed_on[name]) if name in handed_on else source

    def _is_face(self, module: str) -> bool:
        return any(other.startswith(f"{module}.") for other in self)

    def digest(self, modules: Iterable[str]) -> str:
        """Hash of the code of modules, without what they import, and of the packaged weights of their rooms."""
        modules = sorted(modules)
        parts = [part for name in modules for part in (name.encode(), self.module(name).code)]
        parts += [content for room, content in self._weights if any(f"{name}.".startswith(room) for name in modules)]
        return _hash(parts)

    @cached_property
    def _weights(self) -> list[tuple[str, bytes]]:
        """Hashes of packaged weights, each with its room."""
        files = sorted(self.package.rglob("*.safetensors"))
        rooms = [f"{self.name}.{file.relative_to(self.package).parts[0]}." for file in files]
        hashes = [f"{file.name} {_hash([file.read_bytes()])}".encode() for file in files]
        return list(zip(rooms, hashes, strict=True))


class _Module:
    """Imports and code of a source file, without docstrings and what is for type checking alone."""

    def __init__(self, source: bytes) -> None:
        with PARSING:
            tree = ast.parse(source)  # not kept: trees of all modules would be a hundred megabytes
        statements = _strip(tree)
        whole = [alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names]
        self.imports = [(name, None) for name in whole] + [taken for _, taken in _names_taken(statements)]
        self.handed_on = dict(_names_taken(tree.body))
        self.code = _hash([ast.dump(tree).encode()]).encode()


def _strip(node: ast.AST) -> list[ast.stmt]:
    """Take bare texts and type-checking blocks out of a tree; return the statements that are left, inner ones too."""
    left = []
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        kept = [inner for inner in getattr(node, block, ()) if not _is_bare_text(inner) and not _is_for_types(inner)]
        if hasattr(node, block):
            setattr(node, block, kept)
        left += kept + [statement for inner in kept for statement in _strip(inner)]
    return left


def _is_bare_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _names_taken(statements: Iterable[ast.stmt]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Of every ``from module import name``: the name it gets here, with module and name."""
    for node in statements:
        if isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"line {node.lineno}: relative import; write the package's full name")
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)


def _hash(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@cache
def _own() -> _SourceTree:
    return _SourceTree(_PACKAGE)


def _import_closure(*made_by: object) -> frozenset[str]:
    """Names of the modules of this package that functions or classes can reach."""
    own = _own()
    modules = {each.__module__ for each in made_by}
    users = [own.imported_by(_of_user(name)) for name in modules if name not in own]
    return own.closure(modules.intersection(own).union(*users))


def _of_user(name: str) -> _Module:
    """A module that does not belong to this package."""
    file = getattr(sys.modules[name], "__file__", None)
    if file is None:
        raise ValueError(f"'{name}' is no file, so its code cannot be part of a key: move what is defined there to one")
    return _Module(Path(file).read_bytes())


@cache
def code_digest(*made_by: object) -> str:
    """Hash of all the code that functions or classes can reach: part of the key of what they make."""
    own = _own()
    closure = _import_closure(*made_by)
    users = [_of_user(name) for name in sorted({each.__module__ for each in made_by}) if name not in own]
    imported = {source.split(".")[0] for each in [*map(own.module, closure), *users] for source, _ in each.imports}
    versions = [f"{name} {metadata.version(_NUMERICAL[name])}" for name in sorted(imported.intersection(_NUMERICAL))]
    return _hash([own.digest(closure).encode(), *(each.code for each in users), *map(str.encode, versions)])


@cache
def package_digest() -> str:
    """Hash of all code of this package."""
    return _own().digest(_own())


def environment() -> dict[str, str]:
    """What must be equal for equal results: this package's code, Python, and the packages that make numbers."""
    versions = {name: metadata.version(name) for name in _NUMERICAL.values()}
    return {"the code of fibrolib": package_digest(), "Python": ".".join(map(str, sys.version_info[:2])), **versions}

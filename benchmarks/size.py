"""Count what a reader of the package has to read: lines, files, public names, and lengths of functions.

python benchmarks/size.py [--package fibrolib]

Public names are functions and classes at the top of a module without a leading underscore. The length of a function is
its lines of code, without docstring, comments and blank lines.
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from pathlib import Path

import numpy as np

_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def public_names(tree: ast.Module) -> list[str]:
    """Functions and classes at the top of a module without a leading underscore."""
    kinds = ast.FunctionDef | ast.ClassDef
    return [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


def function_lengths(source: str, tree: ast.Module) -> list[int]:
    """Lines of code of every function and method."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in _NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    lengths = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            text = range(first.lineno, first.end_lineno + 1) if ast.get_docstring(node) else ()
            lengths.append(len(code.intersection(range(node.lineno, node.end_lineno + 1)).difference(text)))
    return lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, default=Path(__file__).resolve().parents[1] / "fibrolib")
    files = sorted(parser.parse_args().package.rglob("*.py"))
    sources = [file.read_text("utf-8") for file in files]
    trees = [ast.parse(source) for source in sources]
    lengths = np.array([n for source, tree in zip(sources, trees, strict=True) for n in function_lengths(source, tree)])
    print(f"files         {len(files)}")
    print(f"lines         {sum(source.count(chr(10)) for source in sources)}")
    print(f"public names  {sum(len(public_names(tree)) for tree in trees)}")
    print(
        f"functions     {len(lengths)}: median {np.median(lengths):g}, p90 {np.quantile(lengths, 0.9):g} lines of code"
    )
    print(f"longest       {lengths.max()}")


if __name__ == "__main__":
    main()

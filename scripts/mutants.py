"""Lists and applies cosmic-ray's mutations of a file."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names


@dataclass(frozen=True)
class Mutant:
    """One small fault in one file."""

    #: Path in the checkout.
    path: str
    operator: str
    occurrence: int
    line: int
    #: First line of the statement (of its header, if it is compound) and the line after it.
    statement: tuple[int, int]
    #: Whether the statement runs when the module is imported.
    on_import: bool
    removed: str = ""
    added: str = ""

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Mutant:
        """Make one from a stored record."""
        first, after = stored["statement"]
        return cls(**stored | {"statement": (first, after)})

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others of one checkout."""
        return self.path, self.operator, self.occurrence

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.path.removeprefix('src/napari_textdifuse/')}:{self.line}"

    def apply(self, source: str) -> str:
        """Return the changed source."""
        changed = mutate_code(source, get_operator(self.operator)(), self.occurrence)
        if changed is None:
            raise ValueError(f"{self.place}: no such mutation")
        return str(changed)

    def compared(self, checkout: Path) -> Mutant | None:
        """Return it with the lines that it changes, or None if the program stays the same.

        None if the changed source is not valid Python, or differs in type annotations only.
        """
        source = (checkout / self.path).read_text(encoding="utf-8")
        changed = self.apply(source)
        try:
            tree = ast.parse(changed)
        except SyntaxError:
            return None
        if _without_annotations(ast.parse(source)) == _without_annotations(tree):
            return None
        removed, added = _difference(source, changed)
        return replace(self, removed=removed, added=added)


def mutants_of(checkout: Path, file: Path) -> Iterator[Mutant]:
    """Yield every mutation of a file by every operator that needs no arguments."""
    source = file.read_text(encoding="utf-8")
    places = _statements(ast.parse(source))
    nodes = list(ast_nodes(get_ast(source)))
    for name in operator_names():
        kind = get_operator(name)
        if kind.arguments():
            continue
        operator = kind()
        positions = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, (line, _) in enumerate(positions):
            first, after, on_import = places[line]
            path = str(file.relative_to(checkout))
            yield Mutant(path, name, occurrence, line, (first, after), on_import)


def _difference(source: str, changed: str) -> tuple[str, str]:
    """Return the lines that went and the lines that came, without their indentation."""
    lines = list(difflib.ndiff(source.splitlines(), changed.splitlines()))
    removed, added = (
        "\n".join(line[2:].strip() for line in lines if line[:2] == mark) for mark in ("- ", "+ ")
    )
    return removed, added


def _statements(tree: ast.Module) -> dict[int, tuple[int, int, bool]]:
    """Return for each line its innermost statement: first line, line after, whether on import."""
    places: dict[int, tuple[int, int, bool]] = {}

    def visit(body: list[ast.stmt], on_import: bool) -> None:
        for statement in body:
            first = min(
                [statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))]
            )
            last = statement.end_lineno or statement.lineno
            for line in range(first, last + 1):
                places[line] = (first, last + 1, on_import)
            inner = on_import and not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
            blocks = [getattr(statement, n, []) for n in ("body", "orelse", "finalbody")]
            blocks += [handler.body for handler in getattr(statement, "handlers", [])]
            blocks += [case.body for case in getattr(statement, "cases", [])]
            starts = [block[0].lineno for block in blocks if block]
            if starts:  # the header alone; a decorator of the first statement is close enough
                for line in range(first, last + 1):
                    places[line] = (first, max(min(starts), first + 1), on_import)
            for block in blocks:
                visit(block, inner)

    visit(tree.body, True)
    return places


class _Strip(ast.NodeTransformer):
    """Takes the annotations out of a tree."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        node.annotation = ast.Constant("")
        self.generic_visit(node)
        return node


def _without_annotations(tree: ast.Module) -> str:
    """Return a tree as text; annotations are strings that nothing evaluates."""
    return ast.dump(_Strip().visit(tree))

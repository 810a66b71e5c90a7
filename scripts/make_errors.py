"""Write docs/errors.md: every error code of the program, its message and its remedy, from the source.

An error is made by a class with `code=` or by a helper that has parameters `code` and, perhaps, `remedy`.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "errors.md"
HEAD = """# Errors

Every error has a code, which stands in brackets after it, a message and, if one is known, a remedy. `…` stands for a
name or a number. Codes stay the same from version to version; texts may change.

This page is generated from the source (`make docs`).
"""
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
BLANK = "…"


@dataclass(frozen=True, order=True)
class Entry:
    """One place where an error is made."""

    code: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Helper:
    """A function that makes errors: the names of its parameters in order, and what it puts before a code."""

    parameters: tuple[str, ...]
    prefix: str


class Module:
    """The errors of one module."""

    def __init__(self, tree: ast.Module, helpers: dict[str, Helper]) -> None:
        self._tree, self._helpers = tree, helpers
        assigned = [
            node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        ]
        self._constants = {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}

    def entries(self) -> Iterator[Entry]:
        """Yield what is raised with a literal code."""
        for call in ast.walk(self._tree):
            if isinstance(call, ast.Call):
                values = self._arguments(call)
                prefix = self._helpers.get(_name(call), Helper((), "")).prefix
                code = prefix + self._text(values.get("code"))
                if CODE.fullmatch(code):
                    message = self._text(values.get("message", call.args[0] if call.args else None))
                    yield Entry(code, message, self._text(values.get("remedy")))

    def _arguments(self, call: ast.Call) -> dict[str, ast.expr]:
        values = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        helper = self._helpers.get(_name(call))
        if helper:
            names = helper.parameters[1:] if helper.parameters[:1] == ("self",) else helper.parameters
            values |= dict(zip(names, call.args, strict=False))
            values.setdefault("message", values.get("problem", ast.Constant("")))
        return values

    def _text(self, node: ast.expr | None) -> str:
        """The text of an expression, with … for what is put in."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else ""
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(part) if isinstance(part, ast.Constant) else BLANK for part in node.values)
        if isinstance(node, ast.Name) and node.id in self._constants:
            return self._text(self._constants[node.id])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._text(node.left) + self._text(node.right)
        if isinstance(node, ast.IfExp):
            return " / ".join(filter(None, (self._text(node.body), self._text(node.orelse))))
        return BLANK if node else ""


def page() -> str:
    """Return the text of docs/errors.md."""
    areas: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in sorted(set(entries())):
        areas[entry.code.partition("-")[0]][entry.code].append(entry)
    lines = [HEAD]
    for area, codes in areas.items():
        lines += [f"## {area}", "", "| code | message | what to do |", "| --- | --- | --- |"]
        for code, found in codes.items():
            messages, remedies = (_cell(texts) for texts in zip(*((e.message, e.remedy) for e in found), strict=True))
            lines.append(f"| `{code}` | {messages} | {remedies} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def entries() -> Iterator[Entry]:
    """Yield every error that a literal code in listener/ makes."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "listener").rglob("*.py"))]
    helpers = {name: helper for tree in trees for name, helper in _helpers(tree)}
    for tree in trees:
        yield from Module(tree, helpers).entries()


def without_code(folder: Path) -> Iterator[str]:
    """Yield FILE:LINE of every error of ours in a folder that is made without a code."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))}
    bases = {"ListenerError", "ConfigError", "BundleError", "ClassifierError", "SourceError", "SinkError"}
    for tree in trees.values():
        bases |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and _inherits(node, bases)}
    for path, tree in trees.items():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and _name(call) in bases and "code" not in {k.arg for k in call.keywords}:
                yield f"{path.relative_to(ROOT)}:{call.lineno}"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def _helpers(tree: ast.Module) -> Iterator[tuple[str, Helper]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            names = tuple(argument.arg for argument in (*node.args.args, *node.args.kwonlyargs))
            if "code" in names:
                yield node.name, Helper(names, _prefix(node))


def _prefix(function: ast.FunctionDef) -> str:
    for keyword in ast.walk(function):
        if isinstance(keyword, ast.keyword) and keyword.arg == "code" and isinstance(keyword.value, ast.JoinedStr):
            first = keyword.value.values[0]
            return str(first.value) if isinstance(first, ast.Constant) else ""
    return ""


def _inherits(node: ast.ClassDef, bases: set[str]) -> bool:
    return any(isinstance(base, ast.Name) and base.id in bases for base in node.bases)


def _name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _cell(texts: tuple[str, ...]) -> str:
    shown = [text for text in dict.fromkeys(texts) if text.strip(BLANK + " ")]
    return "<br>".join(shown).replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())

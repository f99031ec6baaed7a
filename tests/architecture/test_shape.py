"""Modules are short and say what they are; errors are drawn as they are; tags are compared in constant time."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from lamella import errors

ROOT = Path(__file__).parents[2]
PATHS = [path for folder in ("src", "layers") for path in sorted((ROOT / folder).rglob("*.py"))]
EVERY_MODULE = pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
SECRET_WORDS = {"tag", "mac", "hmac", "signature", "commitment"}
PRIVATE_PLACES = re.compile(r"/(?:root|home|tmp|work|Users)/")
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)


def _tree(path):
    return ast.parse(path.read_text())


def _assigns(node, name):
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return isinstance(node, (ast.Assign, ast.AnnAssign)) and ast.unparse(targets[0]) == name


@EVERY_MODULE
def test_module_has_at_most_250_lines(path):
    assert len(path.read_text().splitlines()) <= 250


@EVERY_MODULE
def test_function_has_at_most_40_lines_beside_its_docstring(path):
    for node in ast.walk(_tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{node.name} has {lines} lines"


@EVERY_MODULE
def test_module_has_a_docstring(path):
    assert ast.get_docstring(_tree(path))


@EVERY_MODULE
def test_module_lists_its_public_names_in_order(path):
    if path.name == "__init__.py" and len(_tree(path).body) == 1:
        return
    tree = _tree(path)
    public = next(ast.literal_eval(node.value) for node in tree.body if _assigns(node, "__all__"))
    known = {node.name for node in ast.walk(tree) if isinstance(node, DEFINITIONS)}
    known |= {each.id for node in tree.body for each in ast.walk(node) if isinstance(each, ast.Name)}
    known |= {each.asname or each.name for node in ast.walk(tree) if isinstance(node, IMPORTS) for each in node.names}
    assert len(set(public)) == len(public)
    assert set(public) <= known


@EVERY_MODULE
def test_no_tag_is_compared_with_the_equals_sign(path):
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Compare) and any(isinstance(each, (ast.Eq, ast.NotEq)) for each in node.ops):
            named = {
                word
                for side in (node.left, *node.comparators)
                for each in ast.walk(side)
                if isinstance(each, (ast.Name, ast.Attribute))
                for word in (each.id if isinstance(each, ast.Name) else each.attr).lower().split("_")
            }
            assert not named & SECRET_WORDS, f"line {node.lineno}: use hmac.compare_digest or bytes_eq"


@EVERY_MODULE
def test_no_coverage_is_waived_and_no_place_of_one_machine_is_named(path):
    text = path.read_text()
    assert "pragma: no cover" not in text
    assert PRIVATE_PLACES.search(text) is None


def _drawn():
    """Read the tree in the docstring of `errors` as pairs of a class and its parent."""
    stack = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"(?P<lead>[│├└─ ]*)(?P<name>[A-Z]\w+Error)(?:\((?P<also>\w+)\))?(?:\s|$)", line)
        if match is None:
            continue
        depth = len(match["lead"]) // 4
        del stack[depth:]
        yield match["name"], stack[-1] if stack else "Exception", match["also"]
        stack.append(match["name"])


def test_tree_of_errors_is_drawn_as_it_is():
    real = {
        (name, cls.__bases__[0].__name__, cls.__bases__[1].__name__ if len(cls.__bases__) > 1 else None)
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, Exception) and cls.__module__ == errors.__name__ and not issubclass(cls, Warning)
    }
    drawn = list(_drawn())
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == real


def test_every_error_is_listed_and_of_the_one_root():
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    assert sorted(errors.__all__) == sorted(name for name, cls in classes.items() if cls.__module__ == errors.__name__)
    for name in errors.__all__:
        assert issubclass(classes[name], Warning if name.endswith("Warning") else errors.LamellaError)


def test_errors_marked_transient_in_the_drawing_are_those_that_are():
    marked = {re.search(r"(\w+Error)", line)[1] for line in errors.__doc__.splitlines() if " transient" in line}
    assert marked == {name for name in errors.__all__ if getattr(getattr(errors, name), "transient", False)}

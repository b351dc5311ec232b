"""Runs mutmut in the current folder, which `run.py` has prepared: python mutate.py PATH [again]

It writes `mutants.json`: the function, the line as it is and as it is in the mutant, and the result of each mutant.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import libcst
from mutmut.__main__ import _run  # mutmut reads its configuration when it is imported
from mutmut.mutation import mutators
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import orig_function_and_class_names_from_key


def main() -> None:
    """Try all mutants of a module or, with `again`, those that are new or were not killed."""
    results = SourceFileMutationData(path=Path(sys.argv[1]))
    if "again" in sys.argv[2:]:
        _forget_survivors(results)
    _leave_messages()
    _run((), max_children=1)
    results.load()
    found = [_described(key, status_by_exit_code[code], results.path) for key, code in results.exit_code_by_key.items()]
    Path("mutants.json").write_text(json.dumps(found), encoding="utf-8")


def _forget_survivors(results: SourceFileMutationData) -> None:
    results.load()
    for key, code in results.exit_code_by_key.items():
        if status_by_exit_code[code] in ("survived", "no tests"):
            results.exit_code_by_key[key] = None
    results.save()


def _described(key: str, state: str, path: Path) -> tuple[str, str, str, str]:
    name, group = orig_function_and_class_names_from_key(key)
    diff = [line for line in get_diff_for_mutant(key, path=path).splitlines() if line[:3] not in ("---", "+++")]
    was, now = ("\n".join(line[1:].strip() for line in diff if line[:1] == sign) for sign in "-+")
    return f"{group}.{name}" if group else name, was, now, state


def _leave_messages() -> None:
    """Replace the mutators of texts and of arguments by some that leave messages as they are."""
    own = {mutators.operator_string: _changed_texts, mutators.operator_arg_removal: _removed_arguments}
    mutators.mutation_operators[:] = [(kind, own.get(made, made)) for kind, made in mutators.mutation_operators]


def _changed_texts(node: libcst.BaseString) -> Iterator[libcst.BaseString]:
    return iter(()) if _is_message(node) else iter(mutators.operator_string(node))


def _removed_arguments(node: libcst.Call) -> Iterator[libcst.Call]:
    if isinstance(node.func, libcst.Attribute) and getattr(node.func.value, "value", "") == "logger":
        return
    kept = [argument for argument in node.args if not _is_message(argument.value)]
    for mutant in mutators.operator_arg_removal(node):
        if not all(any(argument is other for other in mutant.args) for argument in kept):
            yield mutant


def _is_message(node: libcst.BaseExpression) -> bool:
    return isinstance(node, libcst.BaseString) and " " in libcst.Module([]).code_for_node(node)


if __name__ == "__main__":
    main()

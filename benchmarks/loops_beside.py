"""The whole loop in several forms side by side: of another checkout, and over keys of other types.

    python benchmarks/loops_beside.py tagdataset.csv --before ../tagdb-of-before --keys uuid --keys text

Each form has a database of its own. A command runs in all of them, in turn, before the next one does, so that what else
the machine does falls on all alike. Keys of another type replace those of the imported tables; a uuid lies, as most do,
in no order that the rows have, and a text is made of two numbers. The table gives the median seconds of each command
and how many times as long as in the first form it took.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import machine, print_table
from whole_loop import QUERY, Loop

REKEY = """
ALTER TABLE tags ALTER question_id TYPE {type} USING {tag_key};
ALTER TABLE questions ALTER id TYPE {type} USING {key};
ANALYZE questions, tags
"""
KEYS = {"uuid": "md5({id}::text)::uuid", "text": "'tenant-' || mod({id}, 10) || '/' || {id}"}


@dataclass(frozen=True)
class Form:
    """A way to run the loop: by which checkout (this one when None), over keys of which type."""

    name: str
    checkout: Path | None = None
    keys: str | None = None


def main() -> None:
    """Run all forms and print a Markdown table."""
    arguments = _arguments()
    with arguments.file.open("rb") as lines:
        rows = sum(1 for _ in lines) - 1
    forms = [Form("bigint")]
    if arguments.before:
        forms.append(Form("before", checkout=arguments.before.resolve()))
    forms += [Form(keys, keys=keys) for keys in arguments.keys or []]
    seconds: dict[str, dict[str, list[float]]] = {}
    for turn in range(arguments.rounds):
        first = turn % len(forms)
        for name, step in _round(forms[first:] + forms[:first], arguments, rows).items():
            for form, taken in step.items():
                seconds.setdefault(name, {}).setdefault(form, []).append(taken)
    table = [_line(name, [form.name for form in forms], taken) for name, taken in seconds.items()]
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": rows, "rounds": arguments.rounds, "seconds": seconds}))
        return
    print(f"{rows:,} rows, {arguments.rounds} rounds; " + ", ".join(f"{k} {v}" for k, v in machine().items()) + "\n")
    print_table(table, list(table[0]))


def _round(forms: Sequence[Form], arguments: argparse.Namespace, rows: int) -> dict[str, dict[str, float]]:
    """Run the loop once in every form; return the seconds of each command, by form."""
    home = Path(tempfile.mkdtemp(prefix="tagdb-benchmark-", dir="/tmp"))
    home.chmod(0o755)  # below it, root's servers run as another user
    loops = {form.name: Loop(home / str(place), rows, form.checkout) for place, form in enumerate(forms)}
    try:
        for form in forms:
            loops[form.name].run("import", "import", str(arguments.file))
        for form in forms:
            if form.keys:
                key = KEYS[form.keys]
                of_question, of_tag = key.format(id="id"), key.format(id="question_id")
                loops[form.name].execute(REKEY.format(type=form.keys, key=of_question, tag_key=of_tag))
        for step in _steps(arguments.edits):
            for form in forms:
                step(loops[form.name])
    finally:
        for loop in loops.values():
            loop.stop()
        shutil.rmtree(home)
    taken: dict[str, dict[str, float]] = {}
    for name, loop in loops.items():
        for done in loop.steps:
            taken.setdefault(done.name, {})[name] = done.seconds
    return taken


def _steps(edits: int) -> list[Callable[[Loop], None]]:
    return [
        lambda loop: loop.run("sync", "sync", "--no-index"),
        lambda loop: loop.run("train", "train", "--query", QUERY),
        lambda loop: loop.run("predict", "predict"),
        lambda loop: loop.run("second sync", "sync", "--no-index"),
        lambda loop: loop.edit(edits),
        lambda loop: loop.run(f"sync after {edits:,} edits", "sync", "--no-index"),
    ]


def _line(name: str, forms: Sequence[str], taken: dict[str, list[float]]) -> dict[str, object]:
    medians = {form: statistics.median(taken[form]) for form in forms}
    line: dict[str, object] = {"command": name}
    for form in forms:
        line[f"{form}, s"] = round(medians[form], 2)
        if form != forms[0]:
            line[f"{form} / {forms[0]}"] = round(medians[form] / medians[forms[0]], 2)
    return line


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="another checkout of tagdb, as of before a change"
    )
    parser.add_argument(
        "--keys", action="append", choices=list(KEYS), help="over keys of this type too; may be repeated"
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that everything is run, in databases of their own")
    parser.add_argument("--edits", type=int, default=1_000, help="questions that get other tags before the last sync")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()

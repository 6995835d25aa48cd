"""How good embedders are at tagdb's tasks, side by side with TF-IDF and with an ELMo of random weights.

    python benchmarks/embedder_quality.py --titles titles_tags.tsv starter path/to/elmo --random --markdown card.md

The file holds `title<TAB>tags` with a header, CSV quotes and tags as a Python list. Its last 9,000 rows are held out
from everything here; `quality_tasks` says what is measured on them. An embedder is one that ships with tagdb, by name,
or a directory in AllenNLP's format; if it holds a model-card.json, held-out perplexity is read from there. `--json`
prints figures with more digits, the number of rows of each task, and the accuracy of other strengths of penalty.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import h5py
import numpy as np
from quality_tasks import (
    TASKS,
    VECTORS_C,
    VECTORS_GRID,
    Dataset,
    classify,
    counted,
    measure_features,
    measure_tfidf,
    neighbourhood_of,
    problems,
    ranked,
    read_dataset,
    tag_similarities,
    vectors_of,
)
from rich.console import Console
from rich.table import Table

from tagdb import Elmo
from tagdb.elmo.options import read_options
from tagdb.elmo.spec import DESCRIPTION_FILE, OPTIONS_FILE, WEIGHTS_FILE
from tagdb.elmo.training.network import initial_weights
from tagdb.errors import TagdbError
from tagdb.pipeline.embedders.installed import locate

SEED = 0
MODEL_CARD = "model-card.json"
LEAST_WIDTH = 170
HEADINGS = {
    "language_accuracy": "20 languages, title: accuracy",
    "language_f1": "macro-F1",
    "python_tags_accuracy": "Python, tags: accuracy",
    "python_tags_f1": "F1",
    "python_title_accuracy": "Python, title: accuracy",
    "python_title_f1": "F1",
    "python_other_tags_accuracy": "Python, other tags: accuracy",
    "python_other_tags_f1": "F1",
    "neighbours_tags": "recall: tag lists",
    "neighbours_tags_centred": "centred",
    "neighbours_titles": "recall: titles",
    "neighbours_titles_centred": "centred",
    "neighbours_names": "recall: bare names",
    "neighbours_names_centred": "centred",
    "perplexity": "perplexity",
}


@dataclass(frozen=True)
class Result:
    """What was measured of one embedder or baseline; `accuracy_by_c` is that of the first task for other penalties."""

    name: str
    measures: dict[str, float]
    accuracy_by_c: dict[float, float] = field(default_factory=dict)
    training_rows_known: bool = True


def main() -> None:
    """Measure, then print or write the table."""
    arguments = _arguments()
    try:
        folders = {name: locate(name) for name in arguments.embedders}
        if arguments.neighbours:
            _print_neighbours(folders, read_dataset(arguments.titles), arguments.neighbours)
        else:
            _compare(folders, read_dataset(arguments.titles), arguments)
    except TagdbError as error:
        sys.exit(f"{error}\nTry: {error.hint}" if error.hint else str(error))


def _compare(folders: dict[str, Path], data: Dataset, arguments: argparse.Namespace) -> None:
    tasks = arguments.tasks
    results = [Result(f"TF-IDF {analyzer}s", measure_tfidf(analyzer, data, tasks)) for analyzer in ("word", "char")]
    if arguments.random:
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_random(next(iter(folders.values())), Path(temporary))
            judged = _judge("random weights", folder, data, tasks, with_grid=arguments.json)
            results.append(replace(judged, training_rows_known=True))
    for name, folder in folders.items():
        results.append(_judge(name, folder, data, tasks, with_grid=arguments.json))
    notes = _notes(data, results, tasks)
    if arguments.json:
        recalls = counted(data) if 3 in tasks else {}
        everything = {"rows": _rows(data, tasks), "counted": recalls, "results": [asdict(each) for each in results]}
        print(json.dumps(everything, indent=2))
    else:
        _print_table(results, notes)
    if arguments.markdown:
        arguments.markdown.write_text(_markdown(results, notes), encoding="utf-8")


def _judge(name: str, folder: Path, data: Dataset, tasks: Collection[int], *, with_grid: bool) -> Result:
    vectorise = vectors_of(Elmo.load(folder).embed)
    measures = measure_features(vectorise, data, tasks, C=VECTORS_C, names=True)
    by_c = {}
    if with_grid and 1 in tasks:
        scores = classify(vectorise, problems(data, [1])["language"], VECTORS_GRID)
        by_c = {C: accuracy for C, (accuracy, _) in scores.items()}
    card = folder / MODEL_CARD
    described = json.loads(card.read_text(encoding="utf-8")) if card.exists() else {}
    if described.get("perplexity") is not None:
        measures["perplexity"] = float(described["perplexity"])
    return Result(name, measures, by_c, training_rows_known=card.exists())


def write_random(shape_of: Path, directory: Path) -> Path:
    """Write an ELMo of the shape and casing of that in `shape_of`, drawn as bilm-tf draws untrained weights."""
    shutil.copy(shape_of / OPTIONS_FILE, directory)
    if (shape_of / DESCRIPTION_FILE).exists():
        shutil.copy(shape_of / DESCRIPTION_FILE, directory)
    options = read_options(directory / OPTIONS_FILE)
    with h5py.File(directory / WEIGHTS_FILE, "w") as file:
        for name, values in initial_weights(options, SEED).items():
            file.create_dataset(name, data=values)
    return directory


def _rows(data: Dataset, tasks: Collection[int]) -> dict[str, int]:
    """Count what each task rests on."""
    rows = {
        "training": len(data.training.titles),
        "held_out": len(data.held_out.titles),
        "held_out_repeated": data.repeated,
    }
    for name, problem in problems(data, tasks).items():
        for part, examples in (("training", problem.training), ("held_out", problem.held_out)):
            rows[f"{name}_{part}"] = len(examples.texts)
            rows[f"{name}_{part}_textless"] = examples.textless
    if 3 in tasks:
        rows["neighbours_tags"] = len(neighbourhood_of(data).tags)
    return rows


def _notes(data: Dataset, results: Sequence[Result], tasks: Collection[int]) -> list[str]:
    rows = _rows(data, tasks)
    repeated = f"{rows['held_out_repeated']} more were left out, as their title is a training title too"
    notes = [f"Of {rows['training']:,} training and {rows['held_out']:,} held-out questions; {repeated}."]
    for name, label in (("language", "Languages"), ("python_title", "Python"), ("python_other_tags", "Other tags")):
        if f"{name}_held_out" in rows:
            notes.append(
                f"{label}: {rows[f'{name}_training']:,} to learn from, {rows[f'{name}_held_out']:,} to judge by."
            )
    if 3 in tasks:
        notes.append(
            f"Neighbours: recall@10 over {rows['neighbours_tags']} tags; counted in the training questions instead of"
            f" embedded, they reach {counted(data)['pmi_smoothed']:.3f}."
        )
    if not all(result.training_rows_known for result in results):
        notes.append("\\* comes without a model card: training on the held-out questions may flatter it.")
    return notes


def _cells(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Return the headings of what was measured of anything, and a row of text for each result."""
    keys = [key for key in HEADINGS if any(key in result.measures for result in results)]
    rows = []
    for result in results:
        figures = [_figure(key, result.measures.get(key)) for key in keys]
        rows.append([result.name + ("" if result.training_rows_known else r" \*"), *figures])
    return ["embedder", *(HEADINGS[key] for key in keys)], rows


def _figure(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if key == "perplexity" else f"{value:.3f}"


def _print_table(results: Sequence[Result], notes: Sequence[str]) -> None:
    headings, rows = _cells(results)
    table = Table(*headings)
    for row in rows:
        table.add_row(*(cell.replace("\\", "") for cell in row))
    console = Console()
    console.width = max(console.width, LEAST_WIDTH)
    console.print(table)
    for note in notes:
        console.print(note.replace("\\", ""), highlight=False)


def _markdown(results: Sequence[Result], notes: Sequence[str]) -> str:
    headings, rows = _cells(results)
    return _markdown_table(headings, rows) + "\n" + "\n".join(f"- {note}" for note in notes) + "\n"


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, ["---"] * len(headings), *rows))


def _print_neighbours(folders: dict[str, Path], data: Dataset, count: int) -> None:
    """Print each embedder's neighbours of the most used tags as Markdown."""
    neighbourhood = neighbourhood_of(data)
    tags = np.array(neighbourhood.tags)
    for name, folder in folders.items():
        similarities = tag_similarities(vectors_of(Elmo.load(folder).embed), neighbourhood, names=True)
        by_name, by_questions = (tags[ranked(similarities[kind])] for kind in ("names", "tags"))
        rows = [[tag, ", ".join(by_name[i]), ", ".join(by_questions[i])] for i, tag in enumerate(tags[:count])]
        print(f"## {name}\n\n" + _markdown_table(["tag", "nearest by name", "nearest by its questions"], rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embedders", nargs="+", help="names of shipped embedders, or directories")
    parser.add_argument("--titles", type=Path, required=True, help="title<TAB>tags, with a header")
    parser.add_argument("--tasks", type=_tasks, default=TASKS, help="1 languages, 2 Python, 3 neighbours; such as 1,3")
    parser.add_argument("--random", action="store_true", help="add random weights of the first embedder's shape")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument(
        "--neighbours",
        type=int,
        nargs="?",
        const=30,
        metavar="TAGS",
        help="instead: neighbours of the TAGS (30) most used tags, as Markdown",
    )
    return parser.parse_args()


def _tasks(text: str) -> tuple[int, ...]:
    chosen = tuple(int(number) for number in text.split(","))
    if not set(chosen) <= set(TASKS):
        raise argparse.ArgumentTypeError(f"the tasks are {', '.join(map(str, TASKS))}")
    return chosen


if __name__ == "__main__":
    main()

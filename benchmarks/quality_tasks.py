"""What tagdb does with vectors, as measures of how good the vectors are: telling languages apart, finding neighbours.

`measure(embed, data)` takes any function from texts to a matrix, so that an embedder can be judged while it is tuned.
"""

from __future__ import annotations

import ast
import csv
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

HELD_OUT_ROWS = 9000
TASKS = (1, 2, 3)
LANGUAGES = 20
PYTHON, RIVALS = "python", ("java", "javascript")
NEIGHBOURS = 10
LEAST_QUESTIONS = 50  # held-out questions a tag needs for its neighbours to be known

Analyzer = Literal["word", "char"]

# Fixed, not cross-validated: to an embedder that learnt the training titles by heart, cross-validation among them
# gives too weak a penalty. These were chosen by looking at held-out accuracies of random weights and one trained ELMo,
# which 0.01 costs 0.01 at most, and of TF-IDF; so was the way TF-IDF makes words and runs of characters.
VECTORS_C, VECTORS_GRID = 0.01, (0.001, 0.003, 0.01, 0.03, 0.1)
TFIDF_C = 10.0
# Of the mean gradient. Stopping here leaves accuracies on 20 classes uncertain by 0.002, far below their sampling error
# of 0.006: another number of threads rounds differently, and 3e-4 takes twice as long.
TOLERANCE = 1e-3
# A word is made of what tags are written with, so that c++, .net and ruby-on-rails are words.
TFIDF: dict[Analyzer, dict[str, Any]] = {
    "word": {"token_pattern": r"[\w#+.-]*[\w#+]"},
    "char": {"analyzer": "char_wb", "ngram_range": (2, 5), "min_df": 2},
}
# Counts added to both sides of a ratio of rare pairs, so that one chance meeting does not make a neighbour.
SMOOTHING = 1.0

Matrix = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Matrix]
# Takes training texts and other texts, learns from the former, returns the features of both (dense, or of SciPy).
Vectorise = Callable[[Sequence[str], Sequence[str]], tuple[Any, Any]]


@dataclass(frozen=True)
class Questions:
    """Questions in the order of their file: titles, and the tags of each."""

    titles: list[str]
    tags: list[tuple[str, ...]]

    def tag_lists(self) -> list[str]:
        """Return the texts that tagdb embeds by default."""
        return [" ".join(tags) for tags in self.tags]


@dataclass(frozen=True)
class Dataset:
    """Training questions and held-out ones, less the `repeated` held-out ones whose title is a training title too."""

    training: Questions
    held_out: Questions
    repeated: int


@dataclass(frozen=True)
class Examples:
    """Texts and their classes; `textless` counts the questions of a class that were left with no text."""

    texts: list[str]
    classes: list[str]
    textless: int


@dataclass(frozen=True)
class Problem:
    """A classification: F1 is that of the class `positive`, or the mean over all classes when there is none."""

    training: Examples
    held_out: Examples
    positive: str | None = None


@dataclass(frozen=True)
class Neighbourhood:
    """Tags, and for each which others it meets most beyond chance in the held-out questions."""

    tags: list[str]
    questions: Questions
    met: NDArray[np.bool_]


def read_dataset(path: Path, held_out_rows: int = HELD_OUT_ROWS) -> Dataset:
    """Read `title<TAB>tags` with a header and CSV quotes; the last `held_out_rows` rows are the held-out ones."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [(row["title"], tuple(ast.literal_eval(row["tags"]))) for row in csv.DictReader(file, delimiter="\t")]
    training, held_out = rows[:-held_out_rows], rows[-held_out_rows:]
    known = {_normal(title) for title, _ in training}
    unseen = [row for row in held_out if _normal(row[0]) not in known]
    return Dataset(_questions(training), _questions(unseen), len(held_out) - len(unseen))


def _normal(title: str) -> str:
    return " ".join(title.casefold().split())


def _questions(rows: Sequence[tuple[str, tuple[str, ...]]]) -> Questions:
    return Questions([title for title, _ in rows], [tags for _, tags in rows])


def problems(data: Dataset, tasks: Collection[int] = TASKS) -> dict[str, Problem]:
    """Return the classifications of tasks 1 and 2 by name."""
    found = {}
    if 1 in tasks:
        used = Counter(chain.from_iterable(data.training.tags))
        languages = {tag for tag, _ in used.most_common(LANGUAGES)}
        found["language"] = _problem(data, languages, _title)
    if 2 in tasks:
        trio = {PYTHON, *RIVALS}
        for name, text in (("tags", _tag_list), ("title", _title), ("other_tags", _other_tags)):
            found[f"python_{name}"] = _problem(data, trio, text, positive=PYTHON)
    return found


def _title(title: str, _tags: Sequence[str], _label: str) -> str:
    return title


def _tag_list(_title: str, tags: Sequence[str], _label: str) -> str:
    return " ".join(tags)


def _other_tags(_title: str, tags: Sequence[str], label: str) -> str:
    return " ".join(tag for tag in tags if tag != label)


def _problem(
    data: Dataset, among: set[str], text: Callable[[str, Sequence[str], str], str], positive: str | None = None
) -> Problem:
    def examples(questions: Questions) -> Examples:
        labels = [[tag for tag in tags if tag in among] for tags in questions.tags]
        rows = zip(questions.titles, questions.tags, labels, strict=True)
        of_one = [(text(title, tags, label[0]), label[0]) for title, tags, label in rows if len(label) == 1]
        kept = [(words, label) for words, label in of_one if words.strip()]
        classes = [label if positive in (None, label) else "other" for _, label in kept]
        return Examples([words for words, _ in kept], classes, len(of_one) - len(kept))

    return Problem(examples(data.training), examples(data.held_out), positive)


def measure(embed: Embed, data: Dataset, tasks: Collection[int] = TASKS) -> dict[str, float]:
    """Judge a function that turns n texts, none of them blank, into a matrix (n, dim).

    1. `language_*`: which of the 20 most used tags a question has, from its title; questions with one of them.
    2. `python_*`: Python, or Java or JavaScript, from the tag list, the title, or the tags but these three.
    3. `neighbours_*`: recall of the 10 tags a tag meets most beyond chance, among the 10 nearest to the centroid of
       its questions' tag lists, of their titles, or to its bare name; `*_centred`: less the mean over tags.

    Every distinct text is embedded once.
    """
    return measure_features(vectors_of(embed), data, tasks, C=VECTORS_C, names=True)


def measure_tfidf(analyzer: Analyzer, data: Dataset, tasks: Collection[int] = TASKS) -> dict[str, float]:
    """Judge TF-IDF features in the same way, except for bare names, of which most share nothing."""
    return measure_features(tfidf(analyzer), data, tasks, C=TFIDF_C, names=False)


def measure_features(
    vectorise: Vectorise, data: Dataset, tasks: Collection[int], *, C: float, names: bool
) -> dict[str, float]:
    """Judge any features; `names` says whether a tag's bare name has features of worth."""
    measures: dict[str, float] = {}
    for name, problem in problems(data, tasks).items():
        accuracy, f1 = classify(vectorise, problem, [C])[C]
        measures |= {f"{name}_accuracy": accuracy, f"{name}_f1": f1}
    if 3 in tasks:
        neighbourhood = neighbourhood_of(data)
        for name, similarities in tag_similarities(vectorise, neighbourhood, names=names).items():
            measures[f"neighbours_{name}"] = recall(similarities, neighbourhood.met)
    return measures


def vectors_of(embed: Embed) -> Vectorise:
    """Return what embeds every distinct text once and learns nothing."""
    known: dict[str, Matrix] = {}

    def lookup(texts: Sequence[str]) -> Matrix:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, embed(new), strict=True))
        return np.stack([known[text] for text in texts])

    return lambda training, others: (lookup(training), lookup(others))


def tfidf(analyzer: Analyzer) -> Vectorise:
    """Return what learns TF-IDF weights of `TFIDF`'s words or runs of characters."""

    def vectorise(training: Sequence[str], others: Sequence[str]) -> tuple[Any, Any]:
        vectorizer = TfidfVectorizer(dtype=np.float32, **TFIDF[analyzer])
        return vectorizer.fit_transform(training), vectorizer.transform(others)

    return vectorise


def classify(vectorise: Vectorise, problem: Problem, grid: Sequence[float]) -> dict[float, tuple[float, float]]:
    """Return held-out accuracy and F1 of a logistic regression for each C; dense features are standardised first."""
    training, held_out = vectorise(problem.training.texts, problem.held_out.texts)
    if isinstance(training, np.ndarray):
        scaler = StandardScaler().fit(training)
        training, held_out = scaler.transform(training), scaler.transform(held_out)
    truth = problem.held_out.classes
    average = {"average": "macro"} if problem.positive is None else {"pos_label": problem.positive}
    scores = {}
    for C in grid:
        model = LogisticRegression(C=C, max_iter=500, tol=TOLERANCE).fit(training, problem.training.classes)
        predicted = model.predict(held_out)
        scores[C] = (float(accuracy_score(truth, predicted)), float(f1_score(truth, predicted, **average)))
    return scores


def neighbourhood_of(data: Dataset) -> Neighbourhood:
    """Return the tags of enough held-out questions, most used in training first, and whom they meet there.

    A tag's neighbours are the 10 others of the greatest positive pointwise mutual information, or as many as have
    a positive one; of equals, those most used in training.
    """
    held_out = Counter(chain.from_iterable(data.held_out.tags))
    used = Counter(chain.from_iterable(data.training.tags))
    tags = sorted(
        (tag for tag, count in held_out.items() if count >= LEAST_QUESTIONS), key=lambda tag: (-used[tag], tag)
    )
    information = mutual_information(incidence(data.held_out.tags, tags))
    return Neighbourhood(tags, data.training, nearest(information) & (information > 0))


def incidence(tag_lists: Sequence[Sequence[str]], tags: Sequence[str]) -> NDArray[np.float64]:
    """Return which of `tags` each question carries, as ones of shape (n_questions, n_tags)."""
    column = {tag: index for index, tag in enumerate(tags)}
    pairs = [(row, column[tag]) for row, carried in enumerate(tag_lists) for tag in carried if tag in column]
    matrix = np.zeros((len(tag_lists), len(tags)))
    matrix[tuple(np.array(pairs, dtype=np.intp).reshape(-1, 2).T)] = 1
    return matrix


def mutual_information(carried: NDArray[np.float64], smoothing: float = 0.0) -> NDArray[np.float64]:
    """Return log of how often two tags meet over how often they would by chance, (n_tags, n_tags), -inf for never."""
    together = carried.T @ carried
    count = together.diagonal()
    by_chance = np.outer(count, count) / len(carried)
    with np.errstate(divide="ignore"):
        return np.log((together + smoothing) / (by_chance + smoothing))


def ranked(similarities: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the 10 others (or all there are) most similar to each of n tags, (n, 10); of equals, the first ones."""
    others = similarities.copy()
    np.fill_diagonal(others, -np.inf)
    return np.argsort(-others, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(others) - 1)]


def nearest(similarities: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return `ranked` as a mask, (n, n)."""
    chosen = np.zeros(similarities.shape, dtype=np.bool_)
    np.put_along_axis(chosen, ranked(similarities), values=True, axis=1)
    return chosen


def recall(similarities: NDArray[np.float64], met: NDArray[np.bool_]) -> float:
    """Return the share of a tag's neighbours among the 10 most similar tags: the mean over tags that have any."""
    size = met.sum(axis=1)
    found = (nearest(similarities) & met).sum(axis=1)
    return float(np.mean(found[size > 0] / size[size > 0]))


def tag_similarities(
    vectorise: Vectorise, neighbourhood: Neighbourhood, *, names: bool
) -> dict[str, NDArray[np.float64]]:
    """Return cosines between tags for each way to make a tag's vector, plain and less the mean over tags."""
    carried = incidence(neighbourhood.questions.tags, neighbourhood.tags)
    share = (carried / carried.sum(axis=0)).T
    lists, bare = vectorise(neighbourhood.questions.tag_lists(), neighbourhood.tags)
    titles, _ = vectorise(neighbourhood.questions.titles, neighbourhood.tags)
    vectors = {"tags": share @ lists, "titles": share @ titles} | ({"names": bare} if names else {})
    plain = {name: cosines(rows) for name, rows in vectors.items()}
    return plain | {f"{name}_centred": cosines(rows - rows.mean(axis=0)) for name, rows in vectors.items()}


def cosines(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the cosine of every pair of rows (n, dim) as (n, n)."""
    unit = rows.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit @ unit.T


def counted(data: Dataset) -> dict[str, float]:
    """Return recalls of neighbours counted in the training questions: what the noise of the held-out ones leaves."""
    neighbourhood = neighbourhood_of(data)
    carried = incidence(data.training.tags, neighbourhood.tags)
    return {
        "pmi": recall(mutual_information(carried), neighbourhood.met),
        "pmi_smoothed": recall(mutual_information(carried, SMOOTHING), neighbourhood.met),
    }

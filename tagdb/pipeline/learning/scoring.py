"""What a classifier makes of many texts, by one statement: the expression of its classes, written out and run in place.

`tagdb.classify` gives the same for one vector at a time, at the price of a subquery for each.
"""

from __future__ import annotations

from tagdb.db.connection import Session


def create_scored(session: Session, *, classifier: int, embedder: int, dim: int, texts: str) -> None:
    """Create table `scored_text`: `text_id`, `label` and `probability` of each text that has a vector.

    Only inside a transaction, which drops the table before it ends.

    Parameters
    ----------
    classifier, embedder : numbers of a stored classifier and of the embedder that it was trained on
    dim : length of the embedder's vectors
    texts : name of an analyzed table with a column `text_id`, each text once
    """
    weights = session.rows("predict.weights", classifier=classifier)
    scores = [f"scores[{place}]" for place in range(1, len(weights) + 1)]
    statement = session.script(
        "predict.create_scored",
        classes=session.script("predict.classes", classifier=classifier),
        scores=", ".join(f"float8 '{row.intercept}' - (v.embedding <#> vector '{row.coef}')" for row in weights),
        each_score=", ".join(scores),
        odds=" + ".join(f"exp(greatest({score} - highest, -700))" for score in scores),
        dim=dim,
        embedder=embedder,
        texts=texts,
    )
    session.execute("predict.prefer_workers")
    session.run_script(statement)
    session.execute("predict.analyze_scored")

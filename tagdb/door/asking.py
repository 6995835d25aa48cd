"""What a collection is asked for: neighbours, how current it is, and files for other tools."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, overload

from tagdb.door.opened import Opened
from tagdb.door.results import NearQuestion, NearTag
from tagdb.errors import UsageError

if TYPE_CHECKING:
    from tagdb.pipeline.asking.health import Health
    from tagdb.pipeline.asking.status import Status


class Asking(Opened):
    """The methods that write nothing to the database."""

    @overload
    def nearest(
        self, wanted: str, k: int = 10, *, questions: Literal[False] = False, exact: bool = False
    ) -> list[NearTag]: ...

    @overload
    def nearest(
        self,
        wanted: str,
        k: int = 10,
        *,
        questions: Literal[True],
        where: str | None = None,
        exact: bool = False,
        longest: int | None = None,
    ) -> list[NearQuestion]: ...

    def nearest(
        self,
        wanted: str,
        k: int = 10,
        *,
        questions: bool = False,
        where: str | None = None,
        exact: bool = False,
        longest: int | None = None,
    ) -> list[NearTag] | list[NearQuestion]:
        """Return the tags, or with `questions` the questions, nearest to a tag or, if there is none such, to a text.

        Nearest first, and fewer than `k` where there are no more. `where` is a SQL condition on the columns of
        `questions` (or of your own source); of each text come the first `longest` characters. The embedder of texts
        stays loaded for the next call.

        Raises
        ------
        InputRefused : nothing has a vector yet, or the text is empty
        QueryRefused : the condition cannot be run
        """
        from tagdb.pipeline.asking import nearest

        if where is not None and not questions:
            raise UsageError("a condition is on questions", hint="db.nearest(…, questions=True, where=…)")
        embed = self._embedder.embed
        with self._at_work() as database:
            if not questions:
                tags = nearest.nearest_tags(database, wanted, k, self._reporter, exact=exact, embed=embed)
                return [NearTag.of(each) for each in tags.found]
            longest = nearest.WHOLE_TEXT if longest is None else longest
            found = nearest.nearest_questions(
                database, wanted, k, self._reporter, where=where, exact=exact, longest=longest, embed=embed
            )
            return [NearQuestion.of(each) for each in found.found]

    def nearest_to_question(
        self,
        question_id: object,
        k: int = 10,
        *,
        where: str | None = None,
        exact: bool = False,
        longest: int | None = None,
    ) -> list[NearQuestion]:
        """Return the questions nearest to the one of an id, without that one; otherwise as `nearest`.

        Raises
        ------
        InputRefused : no question has that id, or it has no vector
        QueryRefused : the condition cannot be run
        """
        from tagdb.pipeline.asking import nearest

        longest = nearest.WHOLE_TEXT if longest is None else longest
        with self._at_work() as database:
            found = nearest.nearest_questions(
                database, str(question_id), k, self._reporter, is_id=True, where=where, exact=exact, longest=longest
            )
            return [NearQuestion.of(each) for each in found.found]

    def status(self) -> Status:
        """Count how current everything is, and say why it is not; nothing is written."""
        from tagdb.pipeline.asking import status

        with self._at_work() as database:
            return status.status(database)

    def health(self) -> Health:
        """Tell how long ago labels were known to be current, and what keeps them from being so; little is read."""
        from tagdb.pipeline.asking import health

        with self._at_work() as database:
            return health.health(database)

    def export(self, file: str | os.PathLike[str], *, probability: bool = False, spreadsheet: bool = False) -> int:
        """Write id and label of every labelled question to a .csv or .parquet file; return how many there are.

        Raises
        ------
        InputRefused : there is nothing to export, or the file cannot be written
        """
        from tagdb.pipeline.asking import export

        with self._at_work() as database:
            return export.export_predictions(
                database, os.fspath(file), self._reporter, probability=probability, spreadsheet=spreadsheet
            )

    def export_vectors(self, file: str | os.PathLike[str]) -> int:
        """Write the vector of each question to a .parquet or .npy file; return how many there are.

        Raises
        ------
        InputRefused : there is nothing to export, or the file cannot be written
        """
        from tagdb.pipeline.asking import export

        with self._at_work() as database:
            return export.export_vectors(database, os.fspath(file), self._reporter)

    def export_tags(self, file: str | os.PathLike[str], *, spreadsheet: bool = False) -> int:
        """Write tags and how many questions have each to a .csv, .parquet or .npy file, the latter with their vectors.

        Returns
        -------
        int : how many tags there are

        Raises
        ------
        InputRefused : there is nothing to export, or the file cannot be written
        """
        from tagdb.pipeline.asking import export

        with self._at_work() as database:
            return export.export_tags(database, os.fspath(file), self._reporter, spreadsheet=spreadsheet)

"""The other tables of a Stack Exchange dump, its Data Explorer and its API, told by their columns: no questions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class DumpTable:
    """A table that holds no questions.

    Attributes:
        name: what the dump calls it.
        ids_of: what its ids number.
        signs: sets of columns, without case and punctuation, each of which gives the table away.
        even_with: those of "title" and "tags" that the table has columns for itself; a question's would show otherwise.
        advice: what gets its contents as tags of questions.
    """

    name: str
    ids_of: str
    signs: tuple[frozenset[str], ...]
    even_with: frozenset[str] = frozenset()
    advice: str | None = None


def _signs(*columns: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(names.split()) for names in columns)


_BOTH = frozenset({"title", "tags"})
_TABLES: Final = (
    DumpTable("PostHistory", "edits", _signs("posthistorytypeid", "revisionguid postid"), _BOTH),
    DumpTable("SuggestedEdits", "edits", _signs("rejectiondate", "revisionguid"), _BOTH),
    DumpTable("SuggestedEditVotes", "votes", _signs("suggestededitid"), _BOTH),
    DumpTable("TagSynonyms", "pairs of tags", _signs("sourcetagname", "targettagname"), _BOTH),
    DumpTable("ReviewTasks", "reviews", _signs("reviewtasktypeid", "reviewtaskid reviewtaskresulttypeid")),
    DumpTable("PendingFlags", "flags", _signs("flagtypeid")),
    DumpTable("PostNotices", "notices", _signs("postnoticetypeid")),
    DumpTable("PostFeedback", "votes", _signs("isanonymous votetypeid")),
    DumpTable("Votes", "votes", _signs("votetypeid", "postid bountyamount")),
    DumpTable("PostLinks", "links", _signs("relatedpostid", "linktypeid")),
    DumpTable("Badges", "badges", _signs("tagbased", "badgeid", "userid name class", "userid name date")),
    DumpTable("Comments", "comments", _signs("postid text", "userid text", "commentid", "postid userdisplayname")),
    DumpTable("answers", "answers", _signs("answerid")),
    DumpTable(
        "Users",
        "users",
        _signs("reputation", "displayname", "lastaccessdate", "upvotes downvotes", "aboutme", "accountid", "emailhash"),
    ),
    DumpTable(
        "PostTags",
        "posts, and its tags are numbers",
        _signs("postid tagid"),
        advice="export their names: SELECT pt.PostId, t.TagName FROM PostTags pt JOIN Tags t ON t.Id = pt.TagId",
    ),
    DumpTable(
        "Tags",
        "tags",
        _signs(
            "tagname count", "tag count", "name count", "excerptpostid", "wikipostid", "ismoderatoronly", "isrequired"
        ),
    ),
)
TAGS: Final = _TABLES[-1]
_OF_XML: Final = {
    table.name.lower(): table
    for table in _TABLES
    if table.name in ("Badges", "Comments", "PostHistory", "PostLinks", "Tags", "Users", "Votes")
}
_TITLES: Final = {"title", "questiontitle"}
_TAG_LISTS: Final = {"tags", "taglist", "tagnames"}
_ONE_TAG: Final = {"tag", "tagname"}


def table_of(names: Collection[str]) -> DumpTable | None:
    """The table with these columns (without case and punctuation), None where they may be a question's."""
    known = set(names)
    texts = {"title"} if known & _TITLES else set()
    texts |= {"tags"} if known & _TAG_LISTS else set()
    for table in _TABLES:
        if any(sign <= known for sign in table.signs) and texts <= table.even_with:
            return None if table.advice and known & _ONE_TAG else table
    return None


def table_of_root(root: str) -> DumpTable | None:
    """The table of an XML file with this root element."""
    return _OF_XML.get(root.lower())

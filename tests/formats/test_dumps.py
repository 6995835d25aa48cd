"""A dump's other tables are refused by name, in every way they are exported, and a question's columns never are."""

from __future__ import annotations

import pytest

from tagdb.formats import ROW_NUMBER, Columns
from tests.formats.reading import read, recognised, refusal, tags_by_question

TABLES = {
    "Tags": [
        "Id,TagName,Count,ExcerptPostId,WikiPostId",
        "Id,TagName,Count",
        "Id,TagName,IsRequired",
        "id,tag_name,count,excerpt_post_id,wiki_post_id",
        "TagName,Count,Id",
        "id,tag,count",
    ],
    "Users": [
        "Id,Reputation,CreationDate,DisplayName,LastAccessDate,Views,UpVotes,DownVotes",
        "Id,Reputation,CreationDate",
        "id,display_name,about_me,age,creation_date",
    ],
    "Badges": ["Id,UserId,Name,Date,Class,TagBased", "id,name,date,user_id,class,tag_based", "Id,UserId,Name,Class"],
    "Comments": [
        "Id,PostId,Score,Text,CreationDate,UserId",
        "id,text,creation_date,post_id,user_id,user_display_name,score",
        "PostId,Text",
    ],
    "Votes": ["Id,PostId,VoteTypeId,CreationDate", "id,creation_date,post_id,vote_type_id"],
    "PostLinks": ["Id,CreationDate,PostId,RelatedPostId,LinkTypeId", "Id,PostId,LinkTypeId"],
    "PostHistory": [
        "Id,PostHistoryTypeId,PostId,RevisionGUID,CreationDate,UserId,Text",
        "PostHistoryTypeId,PostId,Title",
    ],
    "SuggestedEdits": ["Id,PostId,CreationDate,ApprovalDate,RejectionDate,OwnerUserId,Comment,Text,Title,Tags"],
    "TagSynonyms": ["Id,SourceTagName,TargetTagName,CreationDate,Score"],
    "PostTags": ["PostId,TagId"],
    "answers": ["answer_id,question_id,score,creation_date"],
}


@pytest.mark.parametrize(("name", "header"), [(name, header) for name, headers in TABLES.items() for header in headers])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_table_of_others_is_refused_by_name(name: str, header: str, delimiter: str) -> None:
    row = delimiter.join("2" for _ in header.split(","))
    message = refusal(f"{header.replace(',', delimiter)}\r\n{row}\r\n")
    assert f"looks like a dump's {name} table: its ids are those of " in message


@pytest.mark.parametrize(
    ("root", "row", "name"),
    [
        ("tags", 'Id="2" TagName="combinatory-logic" Count="22"', "Tags"),
        ("users", 'Id="7" Reputation="1"', "Users"),
        ("badges", 'Id="8" UserId="3" Name="Teacher" Date="2008-09-15T08:55:03.923" Class="3"', "Badges"),
        ("comments", 'Id="5" PostId="2" Text="nice"', "Comments"),
        ("votes", 'Id="5" PostId="2" VoteTypeId="2"', "Votes"),
        ("postlinks", 'Id="19" PostId="109" RelatedPostId="32412"', "PostLinks"),
        ("posthistory", 'Id="1" PostHistoryTypeId="2" PostId="1"', "PostHistory"),
        ("posts", 'Id="7" Reputation="1" DisplayName="A &gt; B"', "Users"),
        ("row_list", 'Id="5" PostId="2" VoteTypeId="2"', "Votes"),
    ],
)
def test_so_is_its_xml(root: str, row: str, name: str) -> None:
    message = refusal(f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>\n  <row {row} />\n</{root}>')
    assert f"looks like a dump's {name} table" in message
    assert "Posts.xml" in message


@pytest.mark.parametrize(
    "header",
    [
        "Id,Title,Tags,DisplayName,Reputation",
        "Id,PostTypeId,AcceptedAnswerId,ParentId,CreationDate,Score,Body,OwnerUserId,Title,Tags,ContentLicense",
        "question_id,answer_id,title,tags",
        "PostId,TagName",
        "PostId,TagId,TagName",
        "question_id,tag_name",
        "Id,Tag",
        "Id,Title,Text,UserId,Date,Class",
        "Id,Title,Count",
    ],
)
def test_columns_beside_those_of_questions_do_no_harm(header: str) -> None:
    row = ",".join("1" for _ in header.split(","))
    assert recognised(f"{header}\n{row}\n").provides & {"title", "tags"}


def test_ids_with_tag_names_are_those_of_questions_only_where_some_come_twice() -> None:
    assert "Tags table" in refusal("Id,TagName\n1,java\n2,c#\n")
    assert tags_by_question(read("Id,TagName\n1,java\n1,c#\n")) == {1: ["java", "c#"]}
    assert tags_by_question(read("Id,TagName\n1,java\n2,java\n")) == {1: ["java"], 2: ["java"]}


def test_counts_of_tags_are_no_questions_by_row_number_either() -> None:
    assert "Tags table" in refusal("TagName,Count\njava,1\n", columns=Columns(id=ROW_NUMBER))


def test_whoever_names_ids_and_texts_is_believed() -> None:
    table = "Id,PostId,Score,Text,CreationDate\n5,2,1,nice one,2011-06-21\n"
    assert "--id-column … --title-column …" in refusal(table)
    assert refusal(table, columns=Columns(title="Text"))
    assert refusal(table, columns=Columns(id="Id"))
    assert refusal(table, columns=Columns(id="Id", title="none"))
    rows = read(table, columns=Columns(id="Id", title="Text"))
    assert rows.questions == [(5, 0, "nice one", None, "2011-06-21T00:00:00+00:00")]
    tags = "Id,TagName,Count\n2,java,3\n"
    assert "--tags-column" in refusal(tags)
    assert read(tags, columns=Columns(id="Id", tags="TagName")).tags == [(2, 0, "java")]


@pytest.mark.parametrize(
    "header",
    [
        "id,date",
        "Id,CreationDate",
        "id,class",
        "id,target",
        "id,count",
        "id,name",
        "id,name,created_at",
        "Id,PostTypeId,CreationDate,Score",
        "id,label,score",
    ],
)
def test_ids_beside_anything_but_titles_and_tags_make_no_questions(header: str) -> None:
    message = refusal(f"{header}\n" + ",".join("1" for _ in header.split(",")) + "\n")
    assert "neither titles nor tags" in message
    assert "--label-column" in message


def test_values_for_questions_that_are_there_are_taken_where_they_are_certain() -> None:
    assert recognised("id,label\n1,a\n").provides == {"question", "label"}
    assert recognised("id,created_at,label\n1,2020-01-01,a\n").provides == {"question", "label", "created_at"}
    assert recognised("id,class\n1,a\n", columns=Columns(label="class")).provides == {"question", "label"}
    named = Columns(created_at="date")
    assert recognised("id,date\n1,2020-01-01\n", columns=named).provides == {"question", "created_at"}


def test_tags_that_are_numbers_come_with_the_query_that_names_them() -> None:
    assert "SELECT pt.PostId, t.TagName FROM PostTags" in refusal("PostId,TagId\n1,2\n")


@pytest.mark.parametrize(
    "columns", [Columns(id=ROW_NUMBER), Columns(tags="none"), Columns(title="TagName"), Columns(label="TagName")]
)
def test_a_list_of_tags_is_refused_whichever_columns_are_chosen(columns: Columns) -> None:
    assert "looks like a dump's Tags table" in refusal("Id,TagName\n1,java\n2,c\n", columns=columns)


@pytest.mark.parametrize("header", ["id,question_id,tag", "Id,PostId,TagName", "TagName,PostId,Id,Date"])
def test_rows_of_tags_with_ids_of_their_own_are_those_of_the_questions(header: str) -> None:
    values = {"tag": "c", "tagname": "c", "questionid": "80", "postid": "80", "id": "1", "date": "2020-01-01"}
    row = ",".join(values[name.lower().replace("_", "")] for name in header.split(","))
    rows = read(f"{header}\n{row}\n")
    assert [question for question, *_ in [*rows.tags, *rows.questions]] == [80]


@pytest.mark.parametrize("header", ["id,question_id,title", "Id,Title,Tags,PostId", "id,post_id,tags"])
def test_rows_with_an_id_of_their_own_beside_the_question_are_left_to_the_user(header: str) -> None:
    table = f"{header}\n{','.join('7' for _ in header.split(','))}\n"
    assert "has ids in 'id' and in '" in refusal(table).lower()
    assert recognised(table, columns=Columns(id="id")).provides >= {"question"}

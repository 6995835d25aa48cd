"""tagdb's own relations as SQLAlchemy tables: what the migrations must add up to (`alembic check` compares)."""

from __future__ import annotations

from pgvector.sqlalchemy import VECTOR
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy import (
    text as sql_text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from tagdb.db.partitions import LARGEST_DIM

NAMING = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}
metadata = MetaData(schema="tagdb", naming_convention=NAMING)
_OF_THE_SOURCE = "of the type that the source gave it first"
_OF_BANDS = "of question ids: integers that are neighbours, or others whose hashes begin alike"


def _now(name: str, comment: str | None = None) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now(), comment=comment)


def _count(name: str, comment: str | None = None) -> Column[object]:
    return Column(name, BigInteger, nullable=False, server_default="0", comment=comment)


def _owned_by(target: str, name: str, **options: object) -> Column[object]:
    return Column(name, ForeignKey(f"tagdb.{target}.id", ondelete="CASCADE"), nullable=False, **options)  # type: ignore[arg-type]


embedder = Table(
    "embedder",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fingerprint", Text, nullable=False, comment="of its weights and settings: another one is another embedder"),
    Column("dim", Integer, nullable=False, comment="how many numbers its vectors have"),
    Column("directory", Text, nullable=False, comment="where the machine that chose it found its files"),
    Column("config", JSONB, nullable=False),
    Column(
        "chosen",
        Boolean,
        nullable=False,
        server_default=sql_text("false"),
        comment="sync embeds with this one",
    ),
    Column(
        "active",
        Boolean,
        nullable=False,
        server_default=sql_text("false"),
        comment="views and labels use this one",
    ),
    _now("created_at"),
    UniqueConstraint("fingerprint"),
    CheckConstraint(f"dim BETWEEN 1 AND {LARGEST_DIM}", name="dim"),
    Index("embedder_chosen", "chosen", unique=True, postgresql_where=sql_text("chosen")),
    Index("embedder_active", "active", unique=True, postgresql_where=sql_text("active")),
    comment="the models that vectors were made with",
)

text = Table(
    "text",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("hash", LargeBinary, nullable=False, comment="sha256 of the text in UTF-8"),
    Column("text", Text, nullable=False),
    UniqueConstraint("hash"),
    comment="the distinct texts of the questions",
)

text_vector = Table(
    "text_vector",
    metadata,
    _owned_by("text", "text_id", primary_key=True),
    _owned_by("embedder", "embedder_id", primary_key=True),
    Column("tokens", Integer, nullable=False, comment="how many the text has"),
    Column(
        "truncated",
        Boolean,
        nullable=False,
        comment="only the first tokens, up to the cap, are in the vector",
    ),
    Column("embedding", VECTOR(), nullable=False),
    _now("embedded_at"),
    postgresql_partition_by="LIST (embedder_id)",
    comment="the vector of each text, by each embedder",
)

failure = Table(
    "failure",
    metadata,
    _owned_by("text", "text_id", primary_key=True),
    _owned_by("embedder", "embedder_id", primary_key=True),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="1", comment="how many syncs have tried"),
    _now("first_at"),
    _now("last_at"),
    comment="texts without a vector, and why",
)

question = Table(
    "question",
    metadata,
    Column("question_id", BigInteger, primary_key=True, autoincrement=False, comment=_OF_THE_SOURCE),
    Column("text_id", BigInteger, ForeignKey("tagdb.text.id"), nullable=False),
    _now("seen_at", comment="when the question got this text"),
    Index("question_text_id", "text_id"),
    comment="which text each question has",
)

tag_vector = Table(
    "tag_vector",
    metadata,
    _owned_by("embedder", "embedder_id", primary_key=True),
    Column("tag", Text, primary_key=True),
    Column("questions", BigInteger, nullable=False, comment="how many questions with a vector have the tag"),
    Column(
        "members",
        BigInteger,
        nullable=False,
        comment="checksum of the (question, text) pairs in the centroid",
    ),
    Column("embedding", VECTOR(), nullable=False, comment="centroid: mean vector of the tag's questions"),
    Column(
        "steps",
        SmallInteger,
        nullable=False,
        server_default="0",
        comment="how far it was moved since all were averaged, in 64ths of its questions",
    ),
    postgresql_partition_by="LIST (embedder_id)",
    comment="a centroid for each tag, the mean vector of its questions",
)

source_band = Table(
    "source_band",
    metadata,
    Column("band", BigInteger, primary_key=True, autoincrement=False, comment=_OF_BANDS),
    Column(
        "one_half",
        BigInteger,
        nullable=False,
        comment="of a fingerprint of the rows' places and writers at the last complete sync",
    ),
    Column("other_half", BigInteger, nullable=False, comment="of the same fingerprint"),
    comment="fingerprints of the user's rows, each of a few dozen question ids",
)

source_definition = Table(
    "source_definition",
    metadata,
    Column("view", Text, primary_key=True),
    Column("preset", Text, comment="whose SQL comes with tagdb"),
    Column("sql", Text, comment="as the user gave it"),
    Column("condition", Text, comment="on the rows to read; the others are left out"),
    Column("separator", Text, comment="what stands between the tags of one text"),
    CheckConstraint("(preset IS NULL) <> (sql IS NULL)", name="preset_or_sql"),
    comment="what the views over the user's tables are made from",
)

classifier = Table(
    "classifier",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    _owned_by("embedder", "embedder_id"),
    Column("kind", Text, nullable=False),
    Column("classes", ARRAY(Text), nullable=False, comment="the labels it tells apart"),
    Column("query", Text, nullable=False, comment="the rows and labels it was trained on"),
    Column("metrics", JSONB, nullable=False),
    Column("settings", JSONB, nullable=False, comment="seed, split, sample and solver settings"),
    Column("versions", JSONB, nullable=False),
    Column(
        "active",
        Boolean,
        nullable=False,
        server_default=sql_text("false"),
        comment="labels are predicted with this one",
    ),
    _now("created_at"),
    UniqueConstraint("name"),
    Index("classifier_active", "active", unique=True, postgresql_where=sql_text("active")),
    comment="trained classifiers, with their metrics and the query they learnt from",
)

classifier_weight = Table(
    "classifier_weight",
    metadata,
    _owned_by("classifier", "classifier_id", primary_key=True),
    Column("class", Text, primary_key=True),
    Column("position", SmallInteger, nullable=False, comment="of the class in classifier.classes, from 1"),
    Column("coef", VECTOR(), nullable=False),
    Column("intercept", Double, nullable=False),
    comment="the weights of a classifier, a row a class",
)

labels = Table(
    "labels",
    metadata,
    Column("question_id", BigInteger, primary_key=True, autoincrement=False, comment=_OF_THE_SOURCE),
    Column("label", Text, nullable=False),
    Column("probability", Double, nullable=False, comment="of the label, as the classifier gives it"),
    _owned_by("classifier", "classifier_id"),
    Column("text_id", BigInteger, nullable=False, comment="the text the label was predicted from"),
    _now("predicted_at"),
    comment="the label of each question, as the active classifier predicts it",
)

lifted_view = Table(
    "lifted_view",
    metadata,
    Column("name", Text, primary_key=True),
    Column("place", SmallInteger, nullable=False, comment="in which order they are put back: one may read the other"),
    Column("definition", Text, nullable=False, comment="with every name in full, for any search_path"),
    Column("owner", Text, nullable=False),
    Column("options", ARRAY(Text), nullable=False),
    Column("comments", JSONB, nullable=False, comment="by column, that of the view under no name"),
    Column("grants", JSONB, nullable=False),
    _now("lifted_at"),
    comment="views over the user's tables, while they are taken away",
)

capture = Table(
    "capture",
    metadata,
    Column("captures", Boolean, primary_key=True, server_default=sql_text("true")),
    _now("since"),
    Column("words", Text, comment="digest of the views, tables and triggers that all was compared under"),
    Column("kept", JSONB, comment="what vectors and labels were made by, if all but unfinished have them"),
    Column("tagged_by", Integer, comment="the embedder whose centroids tagged tells of"),
    CheckConstraint("captures", name="captures"),
    comment="one row while changes are captured: what the next sync may believe",
)

capture_table = Table(
    "capture_table",
    metadata,
    Column("number", Integer, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, comment="when capture was switched on"),
    Column("expression", Text, comment="the question that a row is about; NULL if it may be about any"),
    Column("type", Text, comment="of the expression"),
    Column("columns", ARRAY(Text), comment="an update of others changes no question; NULL if each of them may"),
    comment="tables whose changes are captured, each by the function of its number",
)

captured = Table(
    "captured",
    metadata,
    Column("question_ids", ARRAY(Text), nullable=False, comment="with NULL among them, any question may have changed"),
    Column("captured_at", DateTime(timezone=True), nullable=False, server_default=sql_text("clock_timestamp()")),
    comment="questions whose rows have changed since a sync, a row a statement",
)

unfinished = Table(
    "unfinished",
    metadata,
    Column("question_id", Text(collation="C"), primary_key=True),
    comment="questions whose texts are compared, and nothing else is known to be done",
)

tagged = Table(
    "tagged",
    metadata,
    Column("question_id", Text(collation="C"), primary_key=True),
    Column("text_id", BigInteger, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Index("tagged_tags", "tags", postgresql_using="gin"),
    comment="which questions with which texts are in which centroids, while changes are captured",
)

run = Table(
    "run",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("command", Text, nullable=False),
    Column("args", JSONB, nullable=False),
    _now("started_at"),
    Column("finished_at", DateTime(timezone=True)),
    Column("status", Text, nullable=False, comment="running, done, stopped, failed or killed"),
    _count("read"),
    _count("written"),
    _count("skipped"),
    _count("failed"),
    Column(
        "detail",
        JSONB,
        nullable=False,
        server_default=sql_text("'{}'"),
        comment="more counts, and the error of a run that failed",
    ),
    comment="commands that were run, with what they did",
)

due = Table(
    "due",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False, comment="in the order of the texts, from 1"),
    Column("text_id", BigInteger, nullable=False),
    Column("upto", BigInteger, nullable=False, comment="bytes of all texts up to this one"),
    prefixes=["UNLOGGED"],
    comment="texts that a running sync has to embed, in their order",
)

due_range = Table(
    "due_range",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column(
        "cut",
        Boolean,
        nullable=False,
        comment="a piece for one worker; false: what pieces are still to be cut off",
    ),
    Column("attempts", SmallInteger, nullable=False, server_default="0", comment="how many workers have begun with it"),
    Column("worker_id", BigInteger, comment="the last of them"),
    Column(
        "claimed_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=sql_text("'-infinity'::timestamptz"),
    ),
    prefixes=["UNLOGGED"],
    comment="places of due that are not done: the worker at a range has locked its row",
)

worker = Table(
    "worker",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _owned_by("run", "run_id"),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    _now("started_at"),
    Column("last_at", DateTime(timezone=True), comment="of its last commit; the counts are of what it has committed"),
    Column("ended_at", DateTime(timezone=True), comment="of its ordinary end; one that was killed has none"),
    _count("texts", "texts that it gave a vector"),
    _count("truncated", "how many of them only up to the cap on tokens"),
    _count("without_token", "texts in which there was nothing to embed"),
    _count("refused", "texts that got a failure instead, for another reason"),
    comment="processes that embed, or did, for the last sync that had something to embed",
)

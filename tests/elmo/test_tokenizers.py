"""How texts are split: names of the field stay whole, punctuation goes, nothing readable is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagdb.elmo._tensorflow import tf
from tagdb.elmo.tokenizers import SPACES, TOKENIZERS, WHITESPACE, WORDS, tokenize
from tests.examples import examples


@pytest.mark.parametrize(
    "name",
    [
        "c++",
        "c#",
        ".net",
        "asp.net-mvc",
        "node.js",
        "ruby-on-rails-3",
        "objective-c",
        "python-2.7",
        "c++11",
        "c#-4.0",
        "c++-cli",
        "f#",
        "java.lang.string",
        "don't",
        "über-größe",
        "_private",
        "日本語",
    ],
)
def test_a_name_is_one_word(name: str) -> None:
    assert tokenize(name, WORDS, lowercase=False) == [name]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What is a C#(.Net) compiler?", ["What", "is", "a", "C#", ".Net", "compiler"]),
        ('How to "cast" int[] to char*, in C?', ["How", "to", "cast", "int", "to", "char", "*", "in", "C"]),
        ("jQuery/PHP: json_decode()", ["jQuery", "/", "PHP", "json_decode"]),
        ("wait...what", ["wait", "what"]),
        ("x => x && !y", ["x", "=>", "x", "&&", "y"]),
        ("a + b, i++;", ["a", "+", "b", "i++"]),
        ("$.ajax", ["$", ".ajax"]),
    ],
)
def test_marks_between_words_go_and_operators_stay(text: str, words: list[str]) -> None:
    assert tokenize(text, WORDS, lowercase=False) == words


def test_a_text_of_punctuation_alone_is_split_at_white_space() -> None:
    assert tokenize("??? (!)", WORDS, lowercase=False) == ["???", "(!)"]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_lower_case_is_made_before_splitting(tokenizer: str) -> None:
    assert tokenize("ASP.NET MVC", tokenizer, lowercase=True) == ["asp.net", "mvc"]


def test_white_space_alone_splits_where_that_is_asked_for() -> None:
    assert tokenize("What?\tis  this!", WHITESPACE, lowercase=False) == ["What?", "is", "this!"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("  two  spaces ", ["two", "spaces"]),
        ("dogs  are in\nfog here", ["dogs", "are", "in\nfog", "here"]),
        ("a\tb\u00a0c\u3000d e", ["a\tb\u00a0c\u3000d", "e"]),
        (" ", []),
        ("\t", ["\t"]),
    ],
)
def test_spaces_alone_split_where_that_is_asked_for(text: str, tokens: list[str]) -> None:
    assert tokenize(text, SPACES, lowercase=False) == tokens


@settings(deadline=None, max_examples=examples(25))
@given(st.lists(st.text(st.sampled_from(" \t\n\r\x00\u00a0\u3000aé.日"), max_size=12), min_size=1, max_size=20))
def test_spaces_are_where_tensorflow_splits(texts: list[str]) -> None:
    tokens = [tokenize(text, SPACES, lowercase=False) for text in texts]
    current = tf.RaggedTensor.from_sparse(tf.compat.v1.string_split(texts, sep=" ")).numpy()
    assert [[token.decode() for token in row] for row in current] == tokens
    # Its successor keeps the empty tokens between two spaces.
    successor = tf.strings.split(texts, sep=" ").to_list()
    assert [[token.decode() for token in row if token] for row in successor] == tokens


@given(st.text(max_size=60))
def test_tokens_come_in_order_from_the_text_and_any_text_but_blanks_has_one(text: str) -> None:
    for tokenizer in TOKENIZERS:
        separators = " " if tokenizer == SPACES else None
        tokens = tokenize(text, tokenizer, lowercase=False)
        place = 0
        for token in tokens:
            assert token
            assert all(character.strip(separators) for character in token)
            place = text.index(token, place) + len(token)
        assert bool(tokens) == bool(text.strip(separators))


@given(st.text(max_size=60))
def test_words_keep_every_letter_and_digit_and_splitting_again_changes_nothing(text: str) -> None:
    words = tokenize(text, WORDS, lowercase=False)
    kept = [character for word in words for character in word if character.isalnum()]
    assert kept == [character for character in text if character.isalnum()]
    assert tokenize(" ".join(words), WORDS, lowercase=False) == words

"""How texts are split: names of the field stay whole, punctuation goes, nothing readable is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagdb.elmo.tokenizers import TOKENIZERS, WHITESPACE, WORDS, tokenize


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


@given(st.text(max_size=60))
def test_tokens_come_in_order_from_the_text_and_any_text_but_blanks_has_one(text: str) -> None:
    for tokenizer in TOKENIZERS:
        tokens = tokenize(text, tokenizer, lowercase=False)
        place = 0
        for token in tokens:
            assert token
            assert not any(character.isspace() for character in token)
            place = text.index(token, place) + len(token)
        assert bool(tokens) == bool(text.strip())


@given(st.text(max_size=60))
def test_words_keep_every_letter_and_digit_and_splitting_again_changes_nothing(text: str) -> None:
    words = tokenize(text, WORDS, lowercase=False)
    kept = [character for word in words for character in word if character.isalnum()]
    assert kept == [character for character in text if character.isalnum()]
    assert tokenize(" ".join(words), WORDS, lowercase=False) == words

"""How a text becomes tokens: at white space, into words as programmers write them, or as spaCy has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from tagdb.elmo import spacy_tokens

Tokenizer = Callable[[str], list[str]]

WHITESPACE, SPACES, WORDS, SPACY = "whitespace", "spaces", "words", "spacy:"

# Names keep what belongs to them (c++11, c#, .net, node.js, ruby-on-rails-3), marks between sentences go, and
# operators stay. A plus or a dot inside a name joins it only when more of the name follows.
_WORD = re.compile(
    r"""
    (?: (?<![\w.])\. )? \w+ (?: (?: \+\+-? | \#-? | [.'+-] ) \w+ )* (?: \+\+ | [+#] )?
    | [^\w\s.,;:?!"'`()\[\]{}]+
    """,
    re.VERBOSE,
)


def _words(text: str) -> list[str]:
    """Return the words of a text; one of punctuation alone is split at white space instead."""
    return _WORD.findall(text) or text.split()


def _spaces(text: str) -> list[str]:
    """Split at U+0020 alone, as `tf.string_split` does for TF-Hub's ELMo: tabs and line ends stay in their tokens."""
    return [token for token in text.split(" ") if token]


TOKENIZERS: dict[str, Tokenizer] = {WHITESPACE: str.split, SPACES: _spaces, WORDS: _words}


def is_known(name: str) -> bool:
    """Whether `name` is one of TOKENIZERS or names a model of spaCy's, be it installed or not."""
    return name in TOKENIZERS or (name.startswith(SPACY) and spacy_tokens.is_model_name(name.removeprefix(SPACY)))


@cache
def find_tokenizer(name: str, *, lowercase: bool) -> Tokenizer:
    """Return the tokenizer of a name that `is_known`.

    Raises EmbedderUnavailable when it needs spaCy, or a model of spaCy's, that is not installed.
    """
    split = TOKENIZERS[name] if name in TOKENIZERS else spacy_tokens.load(name.removeprefix(SPACY))
    return (lambda text: split(text.lower())) if lowercase else split


def tokenize(text: str, tokenizer: str, *, lowercase: bool) -> list[str]:
    """Return the tokens of a text; raises what `find_tokenizer` does.

    Every text but white space has a token, unless spaCy's tokenizer says otherwise.
    """
    return find_tokenizer(tokenizer, lowercase=lowercase)(text)


def identify(name: str) -> str | dict[str, str]:
    """Return what the tokens of a tokenizer depend on, for a fingerprint; raises what `find_tokenizer` does."""
    return name if name in TOKENIZERS else spacy_tokens.identify(name.removeprefix(SPACY))

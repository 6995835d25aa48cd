"""How a text becomes tokens: at white space, as the published modules do, or into words as programmers write them."""

from __future__ import annotations

import re
from collections.abc import Callable

WHITESPACE, WORDS = "whitespace", "words"

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


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {WHITESPACE: str.split, WORDS: _words}


def tokenize(text: str, tokenizer: str, *, lowercase: bool) -> list[str]:
    """Return the tokens of a text; there is one at least unless the text is nothing but (Unicode's) white space."""
    return TOKENIZERS[tokenizer](text.lower() if lowercase else text)

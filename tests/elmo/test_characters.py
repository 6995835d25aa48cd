"""Tokens become the character ids that the published models were trained on."""

import pytest

from tagdb.elmo.characters import character_ids, spelt_lengths

PAD = 261


@pytest.mark.parametrize(
    ("token", "ids"),
    [
        ("The", [259, 85, 105, 102, 260]),
        ("<S>", [259, 257, 260]),
        ("</S>", [259, 258, 260]),
        ("<s>", [259, 61, 116, 63, 260]),
        ("", [259, 260]),
        ("é", [259, 0xC3 + 1, 0xA9 + 1, 260]),
        ("a\ud800b", [259, 98, 99, 260]),
        ("\x00", [259, 1, 260]),
    ],
)
def test_spelling(token: str, ids: list[int]) -> None:
    assert character_ids([token], 50).tolist() == [ids + [PAD] * (50 - len(ids))]


def test_long_tokens_keep_their_first_bytes() -> None:
    ids = character_ids(["x" * 48, "x" * 49, "y" * 47 + "é"], 50)
    assert (ids[0] == ids[1]).all()
    assert ids[0].tolist() == [259] + [121] * 48 + [260]
    assert ids[2].tolist() == [259] + [122] * 47 + [0xC3 + 1] + [260]


def test_rows_keep_the_order_and_know_their_length() -> None:
    ids = character_ids(["ab", "", "c"], 6)
    assert ids.shape == (3, 6)
    assert spelt_lengths(ids).tolist() == [4, 2, 3]
    assert character_ids([], 6).shape == (0, 6)

"""The texts that modules are tried with: each is of a kind on which two ways of reading a text could part."""

from __future__ import annotations

TEXTS = (
    "java",
    "c#",
    ".net",
    "?",
    "how to join two tables in sql",
    "the the the the the",
    "Why doesn't my list-comprehension (the 2nd one) work?!",
    "c++ c++11 objective-c ruby-on-rails-3 node.js",
    "0 1 22 333 3.14159 0x1F 1e-5",
    "UPPER lower MiXeD",
    "x[0] = y->z ; // comment",
    "Größe übergeben naïve façade",
    "日本語 の 文字列",
    "Привет мир 😀",
    "runs   of    spaces",
    " a space before and after ",
    "a\ttab and a\nline break",
    "before " + "abcdefghij" * 6 + " after",
    "x" + "é" * 30,  # cut after 48 bytes, which is inside a character
    (
        "when I read a large file line by line and write each record into a table the program takes more and more "
        "memory until it stops , although I close the file and commit after every thousand records ; what keeps it ?"
    ),
)

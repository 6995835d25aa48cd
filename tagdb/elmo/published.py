"""Where the Allen Institute publishes its ELMos, so that `small` or `original` is all a person has to type.

Source: allennlp.org/elmo; the files are those of Peters et al., 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE = "https://allennlp.s3.amazonaws.com/models/elmo/"


@dataclass(frozen=True)
class Published:
    """A published ELMo: its two files, and what it learnt from."""

    folder: str
    corpus: str

    @property
    def options_url(self) -> str:
        """Address of its options.json."""
        return self._url("options.json")

    @property
    def weights_url(self) -> str:
        """Address of its weights.hdf5."""
        return self._url("weights.hdf5")

    def _url(self, file: str) -> str:
        return f"{BASE}{self.folder}/elmo_{self.folder}_{file}"


LICENCE = "none stated with the files; their authors impose no restrictions (allennlp issue 1462)"
PUBLISHED = {
    "small": Published("2x1024_128_2048cnn_1xhighway", "1 Billion Word Benchmark"),
    "medium": Published("2x2048_256_2048cnn_1xhighway", "1 Billion Word Benchmark"),
    "original": Published("2x4096_512_2048cnn_2xhighway", "1 Billion Word Benchmark"),
    "original-5.5B": Published("2x4096_512_2048cnn_2xhighway_5.5B", "Wikipedia and news, 5.5 billion tokens"),
}

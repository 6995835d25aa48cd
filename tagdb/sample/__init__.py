"""Made-up questions to try tagdb on before bringing any of one's own."""

from importlib import resources
from pathlib import Path


def path() -> Path:
    """Locate the sample: a gzipped CSV file `id,title,tags,label,created_at`, its tags separated by blanks.

    The label is `python`, `java` or `javascript`, or empty where nobody has said yet.
    """
    return Path(str(resources.files(__name__))) / "questions.csv.gz"

"""`python -m tagdb` is `tagdb`."""

from tagdb.cli import main

main()

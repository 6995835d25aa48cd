"""`tagdb doctor`: what keeps tagdb from working on a database, each with what to type next."""

"""The use cases, one a file: the only place where database, encoder, classifier and file formats meet."""

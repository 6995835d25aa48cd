"""The use cases, by what a person does: the only place where database, encoder, classifier and file formats meet."""

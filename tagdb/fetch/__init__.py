"""Files from the network and from archives, checked before anything reads them; knows no embedder and no database."""

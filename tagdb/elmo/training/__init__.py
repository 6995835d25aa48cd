"""The parts of pre-training: texts on disk, batches, the network that learns, what it minimises, what is left of it.

`tagdb.elmo.pretrain` puts them together.
"""

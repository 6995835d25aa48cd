"""Classifiers: what they learn from, how they are fitted and chosen, and the labels they give."""

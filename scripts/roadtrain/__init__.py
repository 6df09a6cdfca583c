"""Roadtrain: what the programs in scripts/ share."""

__version__ = "0.1.0"

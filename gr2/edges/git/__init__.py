"""The one door to git: verbs in, values or `GitError` out."""

from gr2.edges.git.door import Git, GitError, Place
from gr2.edges.git.status import CheckoutState, parse_status

__all__ = ["CheckoutState", "Git", "GitError", "Place", "parse_status"]

"""The one door to git: verbs in, values or `GitError` out."""

from gr2.edges.git.door import MIRROR_MISSING, Git, GitError, Place
from gr2.edges.git.status import CheckoutState, parse_status

__all__ = ["MIRROR_MISSING", "CheckoutState", "Git", "GitError", "Place", "parse_status"]

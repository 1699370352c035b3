"""A hook runtime for gr2: commands in the repository's own uv environment."""

"""Pull requests as one JSON file each in the repository: a platform for gr2."""

"""What gr2 keeps on disk: files under `.grip` and the roots of lanes and units."""

"""Lanes are named after tickets."""

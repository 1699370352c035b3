"""Use cases. `plan_x(session)` looks and returns what would be done; `x(session)` does it and returns a Result."""

"""A GitHub for tests: as much of its REST and GraphQL as `gr2_github` uses, over real bare repositories.

Types and names are GitHub's (its public GraphQL schema and REST documentation), the behaviour as documented. The real
`gh` reaches it through the `http_unix_socket` of its configuration.
"""

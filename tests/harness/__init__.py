"""What the tests of the real binary share: a private PostgreSQL cluster, servers, the stand-in provider, and an API client
that holds every answer against api/openapi.yaml."""

"""Everything that speaks to PostgreSQL: the embedded server, connections, COPY, named queries and the schema."""
